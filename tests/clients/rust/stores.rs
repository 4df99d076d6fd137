//! Scenarios for a server that has JetStream: key-value buckets and object stores.

use async_nats::jetstream::kv::{Config, CreateErrorKind, Entry, Operation, UpdateErrorKind};
use async_nats::jetstream::object_store;
use futures_util::{StreamExt, TryStreamExt};
use tokio::io::AsyncReadExt;

use super::streams::context;

pub async fn key_value(url: &str) {
    let context = context(url).await;
    let config = Config {
        bucket: "config".to_owned(),
        history: 5,
        ..Config::default()
    };
    let bucket = context.create_key_value(config).await.unwrap();
    assert_eq!(bucket.put("color", "red".into()).await.unwrap(), 1);
    assert_eq!(bucket.create("size", "1".into()).await.unwrap(), 2);
    let again = bucket.create("size", "2".into()).await.unwrap_err();
    assert_eq!(again.kind(), CreateErrorKind::AlreadyExists);
    assert_eq!(bucket.update("size", "2".into(), 2).await.unwrap(), 3);
    let old = bucket.update("size", "3".into(), 2).await.unwrap_err();
    assert_eq!(old.kind(), UpdateErrorKind::WrongLastRevision);
    let entry = bucket.entry("color").await.unwrap().unwrap();
    assert_eq!((&entry.value[..], entry.revision), (&b"red"[..], 1));
    let older = bucket.entry_for_revision("size", 2).await.unwrap().unwrap();
    assert_eq!(older.value, "1");
    let history: Vec<Entry> = bucket
        .history("size")
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert!(history.iter().map(|each| &each.value[..]).eq([b"1", b"2"]));
    let mut keys: Vec<String> = bucket.keys().await.unwrap().try_collect().await.unwrap();
    keys.sort_unstable();
    assert_eq!(keys, ["color", "size"]);
    bucket.delete("color").await.unwrap();
    assert_eq!(bucket.get("color").await.unwrap(), None);
    assert_eq!(bucket.create("color", "blue".into()).await.unwrap(), 5);
    bucket.purge("size").await.unwrap();
    let history: Vec<Entry> = bucket
        .history("size")
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert!(
        history
            .iter()
            .map(|each| each.operation)
            .eq([Operation::Purge])
    );
    let status = bucket.status().await.unwrap();
    assert_eq!((status.bucket(), status.history()), ("config", 5));
    context.delete_key_value("config").await.unwrap();
}

pub async fn key_value_watch(url: &str) {
    let context = context(url).await;
    let config = Config {
        bucket: "watched".to_owned(),
        ..Config::default()
    };
    let bucket = context.create_key_value(config).await.unwrap();
    bucket.put("a", "0".into()).await.unwrap();
    let mut history = bucket.watch_with_history("a").await.unwrap();
    assert_eq!(history.next().await.unwrap().unwrap().value, "0");
    let mut watcher = bucket.watch_all().await.unwrap();
    bucket.put("b", "1".into()).await.unwrap();
    bucket.delete("a").await.unwrap();
    for (key, operation) in [("b", Operation::Put), ("a", Operation::Delete)] {
        let entry = watcher.next().await.unwrap().unwrap();
        assert_eq!((entry.key.as_str(), entry.operation), (key, operation));
    }
    context.delete_key_value("watched").await.unwrap();
}

pub async fn objects(url: &str) {
    let context = context(url).await;
    let config = object_store::Config {
        bucket: "files".to_owned(),
        ..object_store::Config::default()
    };
    let store = context.create_object_store(config).await.unwrap();
    let body: Vec<u8> = (0..500_000).map(|index| (index % 251) as u8).collect();
    let info = store.put("large", &mut body.as_slice()).await.unwrap();
    assert_eq!((info.size, info.chunks > 1), (body.len(), true));
    assert!(read(&store, "large").await == body, "bytes that come back");
    store.put("small", &mut &b"one"[..]).await.unwrap();
    store.put("small", &mut &b"two"[..]).await.unwrap();
    assert_eq!(read(&store, "small").await, b"two");
    let listed = store.list().await.unwrap();
    let mut names: Vec<String> = listed.map_ok(|info| info.name).try_collect().await.unwrap();
    names.sort_unstable();
    assert_eq!(names, ["large", "small"]);
    let small = store.info("small").await.unwrap();
    store.add_link("linked", &small).await.unwrap();
    assert_eq!(read(&store, "linked").await, b"two");
    store.delete("large").await.unwrap();
    assert!(store.get("large").await.is_err());
    context.delete_object_store("files").await.unwrap();
}

async fn read(store: &object_store::ObjectStore, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut object = store.get(name).await.unwrap();
    object.read_to_end(&mut bytes).await.unwrap();
    bytes
}

pub async fn object_watch(url: &str) {
    let context = context(url).await;
    let config = object_store::Config {
        bucket: "seen".to_owned(),
        ..object_store::Config::default()
    };
    let store = context.create_object_store(config).await.unwrap();
    let mut watcher = store.watch().await.unwrap();
    store.put("a", &mut &b"1"[..]).await.unwrap();
    store.delete("a").await.unwrap();
    for is_deleted in [false, true] {
        let info = watcher.next().await.unwrap().unwrap();
        assert_eq!((info.name.as_str(), info.deleted), ("a", is_deleted));
    }
    context.delete_object_store("seen").await.unwrap();
}
