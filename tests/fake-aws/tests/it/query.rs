//! The Query protocol as bytes: shapes as in the API references, written by hand.

use fake_aws::{FakeAws, Seed, serve};
use reqwest::{Client, StatusCode};
use runtime::Tasks;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::world::{BASE, REGION, site};

const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=AKIATEST/20260101/us-east-1/ec2/aws4_request, \
                             SignedHeaders=host, Signature=0";

pub(crate) struct Face {
    pub(crate) url: String,
    pub(crate) aws: FakeAws,
    client: Client,
    tasks: Tasks,
}

impl Face {
    pub(crate) async fn start(seed: &Seed) -> Self {
        let aws = FakeAws::seeded(seed).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime::process::install_tls();
        let tasks = Tasks::new();
        let served = aws.clone();
        drop(tasks.spawn(async move { serve(listener, served).await }));
        Self { url, aws, client: Client::new(), tasks }
    }

    async fn post(&self, body: &str) -> (StatusCode, String) {
        let request = self.client.post(&self.url).header("authorization", AUTHORIZATION);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body(body.to_owned()).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    async fn ok(&self, body: &str) -> String {
        let (status, text) = self.post(body).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        text
    }

    async fn json(&self, path: &str) -> Value {
        let url = format!("{}/_fake/{path}", self.url);
        let text = self.client.get(url).send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap()
    }

    async fn control(&self, path: &str, body: Value) -> StatusCode {
        let url = format!("{}/_fake/{path}", self.url);
        let request = self.client.post(url).header("content-type", "application/json");
        request.body(body.to_string()).send().await.unwrap().status()
    }
}

impl Drop for Face {
    fn drop(&mut self) {
        self.tasks.stop().cancel();
    }
}

const EC2: &str = "Version=2016-11-15";
const SCALING: &str = "Version=2011-01-01";

#[tokio::test]
async fn describe_images_has_the_shape_of_the_api_reference() {
    let face = Face::start(&Seed::default()).await;
    let text = face
        .ok(&format!("Action=DescribeImages&{EC2}&Filter.1.Name=name&Filter.1.Value.1=debian-*"))
        .await;
    let id = Seed::base_image_id(REGION, BASE);
    assert!(text.starts_with(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DescribeImagesResponse \
         xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
         <requestId>00000000-0000-4000-8000-000000000001</requestId><imagesSet><item>"
    ));
    for part in [
        format!("<imageId>{id}</imageId>"),
        "<imageState>available</imageState>".to_owned(),
        "<imageOwnerId>136693071363</imageOwnerId>".to_owned(),
        "<creationDate>2025-12-31T00:00:00.000Z</creationDate>".to_owned(),
        "<isPublic>true</isPublic>".to_owned(),
        "<tagSet></tagSet></item></imagesSet></DescribeImagesResponse>".to_owned(),
    ] {
        assert!(text.contains(&part), "{part} in {text}");
    }
}

#[tokio::test]
async fn ec2_errors_have_their_shape_and_status() {
    let face = Face::start(&Seed::default()).await;
    let body = format!("Action=DescribeInstances&{EC2}&InstanceId.1=i-1%3C2");
    let (status, text) = face.post(&body).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(text.ends_with(
        "<Response><Errors><Error><Code>InvalidInstanceID.NotFound</Code><Message>The instance ID \
         &apos;i-1&lt;2&apos; does not exist</Message></Error></Errors>\
         <RequestID>00000000-0000-4000-8000-000000000001</RequestID></Response>"
    ), "{text}");
    face.aws.world().script_fault(fake_aws::world::fault::Script::next(
        "DescribeInstances",
        fake_aws::world::fault::Fault::Throttle,
    ));
    let (status, text) = face.post(&format!("Action=DescribeInstances&{EC2}")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(text.contains("<Code>RequestLimitExceeded</Code>"), "{text}");
}

#[tokio::test]
async fn query_errors_of_the_other_services_have_theirs() {
    let face = Face::start(&Seed::default()).await;
    let body = format!("Action=DeleteAutoScalingGroup&{SCALING}&AutoScalingGroupName=absent");
    let (status, text) = face.post(&body).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(
        text.contains(
            "<ErrorResponse xmlns=\"http://autoscaling.amazonaws.com/doc/2011-01-01/\"><Error>\
         <Type>Sender</Type><Code>ValidationError</Code><Message>AutoScalingGroup name not found"
        ),
        "{text}"
    );
}

#[tokio::test]
async fn unknown_actions_versions_and_parameters_are_refused_by_name() {
    let face = Face::start(&Seed::default()).await;
    for (body, code, named) in [
        (format!("Action=RebootInstances&{EC2}"), "InvalidAction", "RebootInstances"),
        ("Action=ListQueues&Version=2012-11-05".to_owned(), "InvalidAction", "ListQueues"),
        (format!("Action=DescribeSubnets&{EC2}&Colour=red"), "UnknownParameter", "Colour"),
        (format!("Action=RunInstances&{EC2}"), "MissingParameter", "MinCount"),
    ] {
        let (status, text) = face.post(&body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{text}");
        assert!(text.contains(&format!("<Code>{code}</Code>")) && text.contains(named), "{text}");
    }
}

#[tokio::test]
async fn a_request_without_credentials_is_refused() {
    let face = Face::start(&Seed::default()).await;
    let request = face.client.post(&face.url).body(format!("Action=DescribeSubnets&{EC2}"));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(answer.text().await.unwrap().contains("MissingAuthenticationToken"));
}

#[tokio::test]
async fn groups_come_in_pages() {
    let mut seed = Seed::default();
    for n in 0..3 {
        seed = seed.with_group(fake_aws::GroupSeed {
            region: REGION.to_owned(),
            name: format!("shop-web-v00{n}"),
            size: 1,
            load_balancers: Vec::new(),
            target_groups: Vec::new(),
        });
    }
    let face = Face::start(&seed).await;
    let ask = format!("Action=DescribeAutoScalingGroups&{SCALING}&MaxRecords=2");
    let first = face.ok(&ask).await;
    assert_eq!(first.matches("<AutoScalingGroupARN>").count(), 2);
    assert!(first.contains("<NextToken>page-2</NextToken>"), "{first}");
    let second = face.ok(&format!("{ask}&NextToken=page-2")).await;
    assert_eq!(second.matches("<AutoScalingGroupARN>").count(), 1);
    assert!(!second.contains("NextToken"));
    assert!(second.contains("<LifecycleState>InService</LifecycleState>"), "{second}");
}

#[tokio::test]
async fn a_lost_answer_breaks_the_connection_and_stands_in_the_ledger() {
    let face = Face::start(&Seed::default()).await;
    let fault = json!({"call": "RunInstances", "fault": {"kind": "execute_and_timeout"}});
    assert_eq!(face.control("faults", fault).await, StatusCode::NO_CONTENT);
    let image = Seed::base_image_id(REGION, BASE);
    let body =
        format!("Action=RunInstances&{EC2}&MinCount=1&MaxCount=1&ClientToken=t1&ImageId={image}");
    let request = face.client.post(&face.url).header("authorization", AUTHORIZATION);
    let answer = request.body(body).send().await;
    let broken = match answer {
        Err(_) => true,
        Ok(answer) => answer.bytes().await.is_err(),
    };
    assert!(broken);
    let ledger = face.json("ledger").await;
    assert_eq!(ledger[0]["effect"], "Created");
    assert_eq!(ledger[0]["answer"], "Silence");
    assert_eq!(ledger[0]["actor"], "AKIATEST");
    let fired = face.json("faults").await;
    assert_eq!(fired, json!({"RunInstances:execute_and_timeout": 1}));
    let state = face.json("state").await;
    let instances = &state["sites"][format!("{}/{REGION}", site().account)]["instances"];
    assert_eq!(instances.as_object().unwrap().len(), 1);
    assert_eq!(face.json("violations").await, json!([]));
}

#[tokio::test]
async fn a_running_world_takes_packages_fates_conducts_and_delays() {
    let face = Face::start(&Seed::default()).await;
    let additions = json!({
        "packages": {"shop-web": ["1.4.2"]},
        "fates": [{"times": 1, "fate": "hangs"}],
        "conducts": [{"group": "shop-", "conduct": {"kind": "flapping", "period_ms": 10}}],
        "behaviour": {"lags": {"boot": 7}},
    });
    assert_eq!(face.control("seed", additions).await, StatusCode::NO_CONTENT);
    assert_eq!(face.aws.world().behaviour().lags.boot, 7);
    let nonsense = json!({"pakages": {}});
    assert_eq!(face.control("seed", nonsense).await, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_role_changes_the_account() {
    let other = "210987654321";
    let seed = Seed { more_accounts: vec![other.to_owned()], ..Seed::default() };
    let face = Face::start(&seed).await;
    let arn = format!("arn%3Aaws%3Aiam%3A%3A{other}%3Arole%2Fbowline");
    let text = face
        .ok(&format!("Action=AssumeRole&Version=2011-06-15&RoleArn={arn}&RoleSessionName=s"))
        .await;
    assert!(text.contains("<AccessKeyId>ASIAFAKE210987654321</AccessKeyId>"), "{text}");
    let assumed = AUTHORIZATION.replace("AKIATEST", "ASIAFAKE210987654321");
    let request = face.client.post(&face.url).header("authorization", assumed);
    let body = "Action=GetCallerIdentity&Version=2011-06-15";
    let text = request.body(body).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("<Account>210987654321</Account>"), "{text}");
}
