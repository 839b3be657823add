//! Doors: what is refused at the start, and with which words.

use std::fs;

use redb::TableDefinition;
use store::{Created, Durability, RedisStore, StoreError};

use crate::{rows::create, server::Server};

fn chain(error: &StoreError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    format!("{error}: {}", cause.unwrap_or_default())
}

#[tokio::test]
async fn a_file_opened_twice_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("embedded:{}", directory.path().display());
    let first = store::open(&url).await.unwrap();
    let second = store::open(&url).await.unwrap_err();
    let words = chain(&second);
    assert!(words.contains("bowline.redb") && words.contains("another process"), "{words}");
    assert!(!second.is_transient());
    drop(first);
    store::open(&url).await.expect("the file is free when the last handle is gone");
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("bowline.redb"), "not a database, and long enough".repeat(999))
        .unwrap();
    let url = format!("embedded:{}", directory.path().display());
    let error = store::open(&url).await.unwrap_err();
    assert!(chain(&error).contains("cannot be read as a data file"), "{}", chain(&error));
}

#[tokio::test]
async fn what_was_stored_is_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("embedded:{}/deep/er", directory.path().display());
    let store = store::open(&url).await.unwrap();
    let mut first = create("E");
    first.first.wake_ms = Some(0);
    store.execution_create(first).await.unwrap();
    drop(store);
    let store = store::open(&url).await.unwrap();
    assert_eq!(store.due(9, 1_000).await.unwrap().wakes.len(), 1);
}

#[tokio::test]
async fn urls_that_name_no_store_are_refused() {
    for url in ["", "embedded:", "postgres://h", "redis://h?world=a:b"] {
        let error = store::open(url).await.unwrap_err();
        assert!(matches!(error, StoreError::Unfit { .. }), "{url}: {error:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_its_password() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("redis://user:s3cr3t@127.0.0.1:{port}");
    let error = store::open(&url).await.unwrap_err();
    let words = chain(&error);
    assert!(words.contains(&format!("user:***@127.0.0.1:{port}")), "{words}");
    assert!(!words.contains("s3cr3t"), "{words}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_server_that_may_lose_writes_is_refused_with_the_way_out() {
    for (settings, wanted) in [
        (["--appendonly", "no", "--appendfsync", "always"], "appendonly yes"),
        (["--appendonly", "yes", "--appendfsync", "everysec"], "appendfsync always"),
    ] {
        let server = Server::start_with(&settings).await;
        let error = store::open(&server.url()).await.unwrap_err();
        let words = chain(&error);
        assert!(matches!(error, StoreError::Unfit { .. }), "{words}");
        assert!(words.contains(wanted) && words.contains("durability=unchecked"), "{words}");
        let overridden = format!("{}?durability=unchecked", server.url());
        store::open(&overridden).await.expect("the override is taken");
    }
    let settings = ["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy"];
    let server = Server::start_with(&[&settings[..], &["allkeys-lru"]].concat()).await;
    let error = store::open(&server.url()).await.unwrap_err();
    assert!(chain(&error).contains("maxmemory-policy noeviction"), "{}", chain(&error));
}

#[tokio::test]
async fn other_functions_of_the_same_version_are_refused() {
    let server = Server::start().await;
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let other = "#!lua name=bowline_v4\nredis.register_function('bowline_v4_about', \
                 function() return 'other' end)";
    let mut load = redis::cmd("FUNCTION");
    load.arg("LOAD").arg(other).query_async::<()>(&mut connection).await.unwrap();
    let error = store::open(&server.url()).await.unwrap_err();
    assert!(chain(&error).contains("FUNCTION DELETE bowline_v4"), "{}", chain(&error));
}

#[tokio::test]
async fn a_user_with_few_rights_can_use_functions_that_are_there() {
    let server = Server::start().await;
    RedisStore::connect(&server.url(), "", Durability::Checked).await.unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut acl = redis::cmd("ACL");
    acl.arg("SETUSER").arg("room").arg("on").arg(">pw").arg("~{bowline}:*").arg("&{bowline}:*");
    acl.arg("-@all").arg("+@read").arg("+@write").arg("+fcall").arg("+publish").arg("+subscribe");
    acl.arg("+time").arg("+client").arg("+ping").arg("+hello").arg("-@dangerous");
    acl.query_async::<()>(&mut connection).await.unwrap();
    let url = server.url().replace("//", "//room:pw@");
    let error = store::open(&url).await.unwrap_err();
    assert!(chain(&error).contains("+config|get"), "{}", chain(&error));
    let store = store::open(&format!("{url}?durability=unchecked")).await.unwrap();
    let mut first = create("E");
    first.first.wake_ms = Some(0);
    assert_eq!(store.execution_create(first).await.unwrap(), Created::New);
}

#[tokio::test]
async fn functions_that_were_flushed_are_loaded_again_by_the_next_call() {
    let server = Server::start().await;
    let store = RedisStore::connect(&server.url(), "", Durability::Checked).await.unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    for _ in 0..3 {
        redis::cmd("FUNCTION").arg("FLUSH").exec_async(&mut connection).await.unwrap();
        store::Store::now_ms(&store).await.expect("the call finds its function");
    }
}

#[tokio::test]
async fn a_store_of_another_form_is_refused_with_the_way_out() {
    let told = |error: &StoreError, form: &str| {
        let words = chain(error);
        assert!(matches!(error, StoreError::Unfit { .. }), "{words}");
        for part in [form, "bowline pipeline list -o json", "empty store"] {
            assert!(words.contains(part), "{words}");
        }
    };
    let directory = tempfile::tempdir().unwrap();
    let url = format!("embedded:{}", directory.path().display());
    drop(store::open(&url).await.unwrap());
    for (format, words) in [(2, "has format 2"), (99, "has format 99")] {
        let database = redb::Database::open(directory.path().join("bowline.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        let meta = TableDefinition::<&str, u64>::new("meta");
        transaction.open_table(meta).unwrap().insert("format", format).unwrap();
        transaction.commit().unwrap();
        drop(database);
        told(&store::open(&url).await.unwrap_err(), words);
        told(&store::audit::open_for_audit(&url).await.unwrap_err(), words);
    }

    let server = Server::start().await;
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut set = async |key: &str, value: &str| {
        let mut set = redis::cmd("SET");
        set.arg(format!("{{bowline}}:{key}")).arg(value);
        set.query_async::<()>(&mut connection).await.unwrap();
    };
    // What a program before this form left behind counts its writes, and does not name its form.
    set("history", "7").await;
    told(&store::open(&server.url()).await.unwrap_err(), "has format an older form");
    told(&store::audit::open_for_audit(&server.url()).await.unwrap_err(), "an older form");
    set("format", "99").await;
    told(&store::open(&server.url()).await.unwrap_err(), "has format 99");
    set("format", "4").await;
    store::open(&server.url()).await.expect("the same form");
}

#[tokio::test]
async fn a_server_that_was_written_to_names_its_form() {
    let server = Server::start().await;
    let store = store::open(&server.url()).await.unwrap();
    store.execution_create(wakeful("E")).await.unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let format: String =
        redis::cmd("GET").arg("{bowline}:format").query_async(&mut connection).await.unwrap();
    assert_eq!(format, "4");
    store::open(&server.url()).await.expect("what it wrote itself is opened again");
}

fn wakeful(id: &str) -> store::Create {
    let mut row = create(id);
    row.first.wake_ms = Some(0);
    row
}
