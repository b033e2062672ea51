//! Our client against our server: the two ends of one critical token.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use citer_core::{Dialect, RemoteError, RemoteModel};
use citer_remote::Remote;
use common::{CONTEXT, END, Scripted, VOCAB, bytes, start};
use std::time::Duration;

#[tokio::test]
async fn an_answer_token_by_token_feeds_each_token_once() {
    let backend = Scripted::new(bytes("hé"));
    let fed = backend.fed();
    let server = start(backend).await;
    let mut remote = Remote::new(&server.base, None, Duration::from_secs(20)).unwrap();
    let model = remote.probe().await.unwrap();
    assert_eq!((model.name.as_str(), model.tokenizer_sha256.as_deref()), ("scripted", Some("ab12")));
    assert_eq!(model.context, Some(CONTEXT as u64));
    let mut prefix = bytes("ask?");
    let prompt = prefix.len();
    while prefix.last() != Some(&END) {
        let token = remote.next_token(&prefix).await.unwrap();
        assert_eq!((token.tokens_sent, token.tokens_cached), (prefix.len() as u64, cached(&prefix, prompt)));
        assert_eq!((token.top.len(), token.top[0].id), (5, token.token));
        prefix.push(token.token);
    }
    assert_eq!(prefix[prompt..], [bytes("hé"), vec![END]].concat());
    assert_eq!(*fed.lock().unwrap(), [prompt, 1, 1, 1]);
}

/// All but the newest token are cached, except in the first request.
fn cached(prefix: &[u32], prompt: usize) -> u64 {
    if prefix.len() == prompt { 0 } else { prefix.len() as u64 - 1 }
}

#[tokio::test]
async fn in_a_session_only_new_ids_travel() {
    let backend = Scripted::new(bytes("hello"));
    let fed = backend.fed();
    let server = start(backend).await;
    let mut remote = Remote::new(&server.base, None, Duration::from_secs(20)).unwrap();
    let found = remote.connect().await.unwrap();
    assert_eq!((found.dialect, found.exact_tokens, found.ids_back), (Dialect::Session, true, true));
    let mut prefix = bytes("a longer question: history would show in bytes?");
    let prompt = prefix.len();
    let mut sizes = Vec::new();
    while prefix.last() != Some(&END) {
        let token = remote.next_token(&prefix).await.unwrap();
        assert_eq!(token.tokens_sent, if prefix.len() == prompt { prompt as u64 } else { 1 });
        assert_eq!(token.top[0].id, token.token);
        sizes.push(token.bytes_sent);
        prefix.push(token.token);
    }
    assert_eq!(prefix[prompt..], [bytes("hello"), vec![END]].concat());
    assert!(sizes[1..].iter().all(|size| *size < 100), "{sizes:?}");
    assert_eq!(*fed.lock().unwrap(), [prompt, 1, 1, 1, 1, 1]);
    remote.close().await;
}

#[tokio::test]
async fn refusals_arrive_in_words() {
    let server = start(Scripted::new(vec![])).await;
    let refused = async |model: &str, prefix: &[u32]| {
        let mut remote = Remote::new(&server.base, Some(model.into()), Duration::from_secs(20)).unwrap();
        match remote.next_token(prefix).await {
            Err(RemoteError::Refused { status, message }) => (status, message),
            other => panic!("{other:?}"),
        }
    };
    let (status, message) = refused("other", &[1]).await;
    assert!(status == 404 && message.contains("\"scripted\""), "{status} {message}");
    let (status, message) = refused("scripted", &[VOCAB as u32]).await;
    assert!(status == 400 && message.contains("vocabulary"), "{status} {message}");
    let (status, message) = refused("scripted", &[5; CONTEXT + 1]).await;
    assert!(status == 400 && message.contains("shorten"), "{status} {message}");
}
