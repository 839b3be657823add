//! A second implementation of AWS understands every call of the whole story.
//!
//! moto accepts what AWS would refuse, so it proves nothing about safety: only that our wire format
//! is not understood by our own fake alone. It runs no machines, so the test plays the builder: it
//! stops it, and puts the script's last line where the console output comes by. And it does not
//! implement tags of snapshots (`NotImplementedError` in its `create_image`), so those are taken
//! out of that one call; our own fake takes them.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Uri},
};
use processes::{PURPOSE, Process, eventually, free_port};
use reqwest::Client;
use serde_json::json;

use crate::world::{Cloud, Mode, World, client};

const REGION: &str = "us-east-1";

/// moto's address, and how to talk to it.
struct Moto {
    http: Client,
    url: String,
}

impl Moto {
    /// Sends one call of the Query protocol as a person with `curl` would.
    async fn call(&self, service: &str, version: &str, query: &[(&str, &str)]) -> String {
        let mut form: Vec<String> = vec![format!("Version={version}")];
        form.extend(query.iter().map(|(key, value)| format!("{key}={}", encoded(value))));
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=fake/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        let answer = self
            .http
            .post(&self.url)
            .header("authorization", scope)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.join("&"))
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{query:?}: {status} {text}");
        text
    }

    async fn ec2(&self, query: &[(&str, &str)]) -> String {
        self.call("ec2", "2016-11-15", query).await
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// Everything between `<tag>` and `</tag>`, each time.
fn inside<'a>(text: &'a str, tag: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    text.split(&open).skip(1).filter_map(|rest| Some(rest.split_once(&close)?.0)).collect()
}

/// Passes everything on as it is, but for snapshots' tags; only a console's text is the test's.
async fn pass_on(
    State(moto): State<Arc<Moto>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (axum::http::StatusCode, HeaderMap, Vec<u8>) {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = moto.http.post(format!("{}{path}", moto.url));
    for name in ["authorization", "content-type", "x-amz-date"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value);
        }
    }
    let mut form = String::from_utf8(body.to_vec()).unwrap();
    let console = form.contains("Action=GetConsoleOutput");
    if form.contains("Action=CreateImage") {
        let kept = form.split('&').filter(|pair| !pair.starts_with("TagSpecification.2."));
        form = kept.collect::<Vec<_>>().join("&");
    }
    let answer = request.body(form).send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    let text = if console { with_marker(&moto, &text).await } else { text.into_bytes() };
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "text/xml".parse().unwrap());
    (status, headers, text)
}

/// The last line of a builder's script that went well names its key, which its tag tells.
async fn with_marker(moto: &Moto, answer: &str) -> Vec<u8> {
    let instance = inside(answer, "instanceId")[0];
    let described = moto.ec2(&[("Action", "DescribeInstances"), ("InstanceId.1", instance)]).await;
    let key = inside(&described, "item")
        .into_iter()
        .find(|item| item.contains("<key>bowline:bake-key</key>"))
        .and_then(|item| item.split("<key>bowline:bake-key</key>").nth(1))
        .map(|rest| inside(rest, "value")[0].to_owned())
        .unwrap();
    let log = base64(format!("BOWLINE-BAKE-OK {key}\n").as_bytes());
    let (head, rest) = answer.split_once("<output>").unwrap();
    let (_, tail) = rest.split_once("</output>").unwrap();
    format!("{head}<output>{log}</output>{tail}").into_bytes()
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let mut bits = 0_u32;
        for place in 0..3 {
            bits = (bits << 8) | u32::from(chunk.get(place).copied().unwrap_or(0));
        }
        for place in 0..4_usize {
            let index = usize::try_from((bits >> (18 - 6 * place)) & 63).unwrap();
            out.push(if place <= chunk.len() { char::from(ALPHABET[index]) } else { '=' });
        }
    }
    out
}

/// What the pipeline needs to be there. Gives the id of a base image.
async fn furnish(moto: &Moto) -> String {
    let vpcs = moto.ec2(&[("Action", "DescribeVpcs")]).await;
    let vpc = inside(&vpcs, "vpcId")[0].to_owned();
    let subnets = moto.ec2(&[("Action", "DescribeSubnets")]).await;
    for subnet in inside(&subnets, "subnetId") {
        moto.ec2(&[
            ("Action", "CreateTags"),
            ("ResourceId.1", subnet),
            ("Tag.1.Key", "immutable_metadata"),
            ("Tag.1.Value", &json!({ "purpose": PURPOSE, "target": "ec2" }).to_string()),
        ])
        .await;
    }
    moto.ec2(&[
        ("Action", "CreateSecurityGroup"),
        ("GroupName", "shop"),
        ("GroupDescription", "shop"),
        ("VpcId", &vpc),
    ])
    .await;
    let create = [
        ("Action", "CreateTargetGroup"),
        ("Name", "shop-test"),
        ("Protocol", "HTTP"),
        ("Port", "80"),
        ("VpcId", &vpc),
    ];
    moto.call("elasticloadbalancing", "2015-12-01", &create).await;
    let images = moto
        .ec2(&[
            ("Action", "DescribeImages"),
            ("Filter.1.Name", "architecture"),
            ("Filter.1.Value.1", "x86_64"),
        ])
        .await;
    inside(&images, "imageId")[0].to_owned()
}

/// Stops every builder that runs, as its own script would.
async fn play_builders(moto: Arc<Moto>) {
    loop {
        let running = moto
            .ec2(&[
                ("Action", "DescribeInstances"),
                ("Filter.1.Name", "tag-key"),
                ("Filter.1.Value.1", "bowline:bake-key"),
                ("Filter.2.Name", "instance-state-name"),
                ("Filter.2.Value.1", "running"),
            ])
            .await;
        for instance in inside(&running, "instanceId") {
            moto.ec2(&[("Action", "StopInstances"), ("InstanceId.1", instance)]).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn moto_accepts_every_call_and_lists_what_was_made() {
    #[expect(clippy::disallowed_methods, reason = "the tests' own setting")]
    let server = std::env::var("BOWLINE_TEST_MOTO").unwrap_or_default();
    assert!(Path::new(&server).exists(), "BOWLINE_TEST_MOTO names no moto_server: run `make test`");
    let dir = tempfile::tempdir().unwrap();
    let port = free_port().to_string();
    let mut command = Command::new(server);
    command.args(["-H", "127.0.0.1", "-p", &port]).stdout(Stdio::null());
    let _server = Process::spawn(dir.path(), "moto", &mut command);
    let moto = Arc::new(Moto { http: client(), url: format!("http://127.0.0.1:{port}/") });
    eventually("moto answers", Duration::from_mins(1), || async {
        moto.http.get(format!("{}moto-api/", moto.url)).send().await.ok()
    })
    .await;
    let base_image = furnish(&moto).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(pass_on).with_state(Arc::clone(&moto));
    let mut background = tokio::task::JoinSet::new();
    background.spawn(async move { axum::serve(listener, app).await.unwrap() });
    background.spawn(play_builders(Arc::clone(&moto)));

    let world = World::start(Mode::Standalone, Cloud::At { url, base_image }).await;
    world.build(1).await;
    world.notify(1, 1).await;
    let id = world.new_execution(&[]).await;
    let ended = world.ended(&id, Duration::from_mins(2)).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended:#}");

    let images = moto.ec2(&[("Action", "DescribeImages"), ("Owner.1", "self")]).await;
    let image = ended["stages"][0]["outputs"]["deploymentDetails"][0]["ami"].as_str().unwrap();
    assert!(inside(&images, "imageId").contains(&image), "{images}");
    let groups =
        moto.call("autoscaling", "2011-01-01", &[("Action", "DescribeAutoScalingGroups")]).await;
    assert!(inside(&groups, "AutoScalingGroupName").contains(&"shop-test-v000"), "{groups}");
}
