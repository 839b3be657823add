//! Every route once, and every way to go wrong once.

use std::time::Duration;

use fake_jenkins::{Build, FakeJenkins, Fault, Notice, Options, Phase, Trouble};
use reqwest::{Client, Response, StatusCode};
use runtime::Tasks;
use serde_json::{Value, json};

struct World {
    tasks: Tasks,
    jenkins: FakeJenkins,
    client: Client,
}

impl World {
    async fn start() -> Self {
        runtime::process::install_tls();
        let tasks = Tasks::new();
        let options = Options { context_path: "/jenkins".to_owned(), ..Options::default() };
        let jenkins = FakeJenkins::start(&tasks, options).await.unwrap();
        let policy = reqwest::redirect::Policy::none();
        let client = Client::builder().no_proxy().redirect(policy).build().unwrap();
        Self { tasks, jenkins, client }
    }

    async fn get(&self, path: &str) -> Response {
        let url = format!("{}{path}", self.jenkins.url());
        self.client.get(url).basic_auth("bowline", Some("11fake0token")).send().await.unwrap()
    }

    async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.json().await.unwrap()
    }

    async fn control(&self, path: &str, body: &Value) -> Response {
        let url = format!("{}_fake/{path}", self.jenkins.url());
        self.client.post(url).json(body).send().await.unwrap()
    }

    async fn end(self) {
        let drained = self.tasks.shut_down(Duration::from_secs(5)).await;
        assert_eq!(drained, runtime::Drained::Cleanly);
    }
}

fn build(number: u64) -> Build {
    let mut build = Build::successful("shop/web/feature%2Fx", number);
    build.started_ms = Some(1_700_000_000_000);
    build.artifacts = vec!["out/shop-web_1.0_all.deb".to_owned()];
    build.property_files.insert("build.properties".to_owned(), "A=1\n".to_owned());
    build
}

#[tokio::test]
async fn jobs_builds_and_artifacts_are_found_where_jenkins_has_them() {
    let world = World::start().await;
    world.jenkins.add_build(build(7));
    world.jenkins.add_build(build(8));

    assert_eq!(world.json("api/json").await["jobs"][0]["name"], "shop");
    assert_eq!(world.json("job/shop/api/json").await["jobs"][0]["name"], "web");
    let job = "job/shop/job/web/job/feature%252Fx";
    let shown = world.json(&format!("{job}/api/json")).await;
    assert_eq!(shown["fullName"], "shop/web/feature%2Fx");
    assert_eq!(shown["builds"][0]["number"], 8);
    assert_eq!(shown["builds"][0].get("result"), None, "without a tree only number and URL");
    let tree = "builds[number,result,timestamp,building]{0,1}";
    let shown = world.json(&format!("{job}/api/json?tree={tree}")).await;
    let one = json!({
        "_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun",
        "number": 8, "result": "SUCCESS", "timestamp": 1_700_000_000_000_u64, "building": false,
    });
    assert_eq!(shown["builds"], json!([one]));

    let shown = world.json(&format!("{job}/7/api/json")).await;
    assert_eq!(shown["artifacts"][0]["relativePath"], "out/shop-web_1.0_all.deb");
    assert_eq!(shown["artifacts"][0]["fileName"], "shop-web_1.0_all.deb");
    assert_eq!(shown["url"], format!("{}{job}/7/", world.jenkins.url()));
    let file = world.get(&format!("{job}/lastBuild/artifact/build.properties")).await;
    assert_eq!(file.text().await.unwrap(), "A=1\n");

    for path in ["job/none/api/json", &format!("{job}/9/api/json"), &format!("{job}/7/artifact/x")]
    {
        assert_eq!(world.get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let bad = world.get(&format!("{job}/api/json?tree=builds[")).await;
    assert_eq!(bad.status(), StatusCode::BAD_REQUEST);
    world.end().await;
}

#[tokio::test]
async fn only_the_right_token_is_let_in_and_every_request_is_noted() {
    let world = World::start().await;
    world.jenkins.add_build(build(7));
    let url = format!("{}api/json", world.jenkins.url());
    let anonymous = world.client.get(&url).send().await.unwrap();
    assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);
    let wrong = world.client.get(&url).basic_auth("bowline", Some("x")).send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    world.json("api/json?tree=jobs[name]").await;
    let control = format!("http://{}/_fake/requests", world.jenkins.addr());
    let shown: Value = world.client.get(control).send().await.unwrap().json().await.unwrap();
    assert_eq!(shown.as_array().unwrap().len(), 3, "control paths want no token and are not noted");
    let noted = world.jenkins.requests();
    let authorized: Vec<bool> = noted.iter().map(|request| request.authorized).collect();
    assert_eq!(authorized, [false, false, true]);
    assert_eq!(noted[2].query.as_deref(), Some("tree=jobs[name]"));
    world.end().await;
}

#[tokio::test]
async fn troubles_come_as_ordered_and_pass() {
    let world = World::start().await;
    let body = serde_json::to_value(build(7)).unwrap();
    assert_eq!(world.control("builds", &body).await.status(), StatusCode::NO_CONTENT);
    let path = "job/shop/job/web/job/feature%252Fx/7/api/json";
    for trouble in [
        json!({"kind": "status", "status": 503}),
        json!({"kind": "redirect", "location": "http://elsewhere.test/"}),
        json!({"kind": "unknown"}),
        json!({"kind": "login_page"}),
    ] {
        let order = json!({"path_contains": "/7/", "times": 1, "trouble": trouble});
        assert_eq!(world.control("faults", &order).await.status(), StatusCode::NO_CONTENT);
    }
    assert_eq!(world.get(path).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    let redirect = world.get(path).await;
    assert_eq!(redirect.status(), StatusCode::FOUND);
    assert_eq!(redirect.headers()["location"], "http://elsewhere.test/");
    assert_eq!(world.get(path).await.status(), StatusCode::NOT_FOUND);
    let page = world.get(path).await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.json::<Value>().await.is_err(), "a page for people is no JSON");

    world.jenkins.order(Fault::new(1, Trouble::StillBuilding));
    world.jenkins.order(Fault::new(1, Trouble::PostBuild));
    let building = world.json(path).await;
    assert_eq!((&building["building"], &building["result"]), (&json!(true), &Value::Null));
    let post_build = world.json(path).await;
    assert_eq!((&post_build["building"], &post_build["result"]), (&json!(true), &json!("SUCCESS")));
    assert_eq!(world.json(path).await["building"], false);
    world.end().await;
}

#[tokio::test]
async fn everybody_is_told_as_often_as_ordered() {
    let world = World::start().await;
    world.jenkins.add_build(build(7));
    // Two receivers: one answers 404 without credentials trouble, one is not there at all.
    let (gone, free) = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        (format!("http://{}/hook", listener.local_addr().unwrap()), listener)
    };
    drop(free);
    let there = format!("http://bowline:11fake0token@{}/hook", world.jenkins.addr());
    let mut notice = Notice::finalized("shop/web/feature%2Fx", 7, vec![there, gone]);
    notice.times = 2;
    notice.phase = Phase::Completed;
    let told = world.jenkins.notify(&notice).await;
    let statuses: Vec<Option<u16>> = told.iter().map(|told| told.status).collect();
    assert_eq!(statuses, [Some(404), None, Some(404), None]);

    let answer = world.control("notify", &serde_json::to_value(&notice).unwrap()).await;
    assert_eq!(answer.json::<Value>().await.unwrap().as_array().unwrap().len(), 4);
    let wrong =
        world.control("notify", &json!({"job": "x", "number": 1, "urls": [], "tims": 2})).await;
    assert_eq!(wrong.status(), StatusCode::UNPROCESSABLE_ENTITY);
    world.end().await;
}
