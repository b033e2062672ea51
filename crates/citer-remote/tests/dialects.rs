//! The dialects against strict stand-ins of the servers that speak them: what each takes and gives is what its maker
//! documents, and everything else is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fakes;

use citer_core::{
    Capabilities, Dialect, RemoteError, RemoteModel, RemoteToken, Sampling, TokenId,
    message::{Role, Turn},
};
use citer_remote::{Remote, Request, Response};
use fakes::*;
use serde_json::{Value, json};
use std::{cell::RefCell, rc::Rc, sync::Arc};

fn remote(net: &Net) -> Remote<Net> {
    let mut remote = Remote::over(net.clone(), None);
    remote.set_vocabulary(Arc::new(Words));
    remote
}

fn connect(net: &Net) -> (Remote<Net>, Capabilities) {
    let mut remote = remote(net);
    let found = net.run(remote.connect()).unwrap();
    assert_eq!(remote.capabilities(), Some(&found));
    (remote, found)
}

fn next(net: &Net, remote: &mut Remote<Net>, prefix: &[TokenId]) -> Result<RemoteToken, RemoteError> {
    net.run(remote.next_token(prefix))
}

fn bytes(text: &str) -> Vec<TokenId> {
    text.bytes().map(TokenId::from).collect()
}

/// Answers `GET /v1/models` and leaves the rest to `serve`.
fn server(model: Value, mut serve: impl FnMut(&Request) -> Response + 'static) -> Net {
    Net::at_once(move |request| match request.path.as_str() {
        "/v1/models" => ok(json!({"object": "list", "data": [model]})),
        _ => serve(request),
    })
}

// --- session -----------------------------------------------------------------------------------------------------------

/// Our server's sessions: holds ids, takes suffixes, says 300 after 9 ids and the sum of the ids before.
#[derive(Default)]
struct Sessions {
    open: Vec<(String, Vec<TokenId>)>,
    opened: usize,
    /// Forgets everything before its request of this number.
    lose_at: Vec<usize>,
    requests: usize,
}

impl Sessions {
    fn serve(&mut self, request: &Request) -> Response {
        let lost = |known: usize| {
            let body = json!({"error": {"message": "gone", "type": "session_lost", "known": known}});
            Response { status: 404, retry_after: None, body: body.to_string().into_bytes() }
        };
        if request.path == "/v1/sessions" {
            let body = match strict(request, &["model", "tokenizer_sha256"]) {
                Ok(body) => body,
                Err(refused) => return refused,
            };
            assert_eq!(body["tokenizer_sha256"], "ab12");
            self.opened += 1;
            self.open.push((format!("s{}", self.opened), vec![]));
            let body = json!({"session": format!("s{}", self.opened), "context": 512, "expires_in": 600});
            return Response { status: 201, ..ok(body) };
        }
        let id = request.path.strip_prefix("/v1/sessions/").unwrap();
        let id = id.strip_suffix("/tokens").unwrap_or(id).to_owned();
        if request.method == citer_remote::Method::Delete {
            self.open.retain(|(open, _)| *open != id);
            return Response { status: 204, ..Response::default() };
        }
        self.requests += 1;
        if self.lose_at.contains(&self.requests) {
            self.open.clear();
        }
        let body = match strict(request, &["position", "ids", "max_tokens", "logprobs", "temperature", "seed"]) {
            Ok(body) => body,
            Err(refused) => return refused,
        };
        let Some((_, known)) = self.open.iter_mut().find(|(open, _)| *open == id) else { return lost(0) };
        let position = body["position"].as_u64().unwrap() as usize;
        if position > known.len() {
            return lost(known.len());
        }
        let suffix = ids(&body["ids"]).unwrap();
        assert!(!suffix.is_empty(), "a step needs a token");
        let cached = position;
        known.truncate(position);
        known.extend(&suffix);
        let count = body["max_tokens"].as_u64().unwrap() as TokenId;
        let first = if known.len() == 9 { END } else { known.iter().sum::<TokenId>() % 97 };
        let made: Vec<TokenId> = (0..count).map(|at| first + at).collect();
        let top: Vec<Value> =
            made.iter().map(|id| json!([{"id": id, "logprob": -0.1}, {"id": 5, "logprob": -3.0}])).collect();
        ok(json!({
            "position": known.len(), "ids": made, "text": "x", "finish_reason": if first == END { "stop" } else { "length" },
            "logprobs": top, "cached": cached, "computed": suffix.len(), "server_ms": 1.5, "queue_ms": 0.25,
        }))
    }
}

fn sessions(lose_at: &[usize]) -> (Net, Rc<RefCell<Sessions>>) {
    let state = Rc::new(RefCell::new(Sessions { lose_at: lose_at.to_vec(), ..Sessions::default() }));
    let served = state.clone();
    let model = json!({"id": "ours", "tokenizer_sha256": "ab12", "context": 512, "sessions": true});
    (server(model, move |request| served.borrow_mut().serve(request)), state)
}

fn sum(prefix: &[TokenId]) -> TokenId {
    prefix.iter().sum::<TokenId>() % 97
}

#[test]
fn a_session_is_sent_only_what_is_new() {
    let (net, state) = sessions(&[]);
    let (mut remote, found) = connect(&net);
    assert_eq!(
        found,
        Capabilities {
            model: "ours".into(),
            dialect: Dialect::Session,
            exact_tokens: true,
            ids_back: true,
            logprobs: true,
            cached_counts: true,
            same_tokenizer: Some(true),
            context: Some(512),
        }
    );
    assert_eq!(net.sent.borrow().len(), 1, "our server says all of it in its list of models");
    let mut prefix = vec![1, 2, 3];
    let first = next(&net, &mut remote, &prefix).unwrap();
    assert_eq!(
        (first.token, first.tokens_sent, first.tokens_cached, first.server_ms, first.queue_ms),
        (6, 3, 0, 1.5, 0.25)
    );
    assert_eq!((first.top[0].id, first.top[1].id, remote.retries()), (6, 5, 1));
    prefix.extend([first.token, 8]);
    let second = next(&net, &mut remote, &prefix).unwrap();
    assert_eq!((second.token, second.tokens_sent, second.tokens_cached, remote.retries()), (sum(&prefix), 2, 0, 0));
    assert_eq!(net.last(), json!({"position": 3, "ids": [6, 8], "max_tokens": 1, "logprobs": 5, "temperature": 0}));
    // The same prefix again, a shorter one, and another history.
    assert_eq!(next(&net, &mut remote, &prefix).unwrap().token, sum(&prefix));
    assert_eq!(net.last()["ids"], json!([8]));
    for other in [&[1, 2][..], &[1, 9, 9, 9], &[7]] {
        assert_eq!(next(&net, &mut remote, other).unwrap().token, sum(other));
    }
    let long = [1; 9];
    assert_eq!(next(&net, &mut remote, &long).unwrap().token, END);
    net.run(remote.close());
    assert!(state.borrow().open.is_empty(), "the session is given back");
}

#[test]
fn bytes_of_an_escalation_do_not_depend_on_history() {
    let (net, _) = sessions(&[]);
    let (mut remote, _) = connect(&net);
    let mut prefix = vec![10; 100];
    let mut sizes = Vec::new();
    for _ in 0..4 {
        next(&net, &mut remote, &prefix).unwrap();
        prefix.extend([11; 2]);
        let near = next(&net, &mut remote, &prefix).unwrap().bytes_sent;
        sizes.push(near);
        prefix.extend([10; 200]);
    }
    assert!(sizes.iter().all(|size| *size < 100 && size.abs_diff(sizes[0]) <= 1), "{sizes:?}");
}

#[test]
fn a_lost_session_costs_one_resend() {
    for lose_at in [2, 3] {
        let (net, state) = sessions(&[lose_at]);
        let (mut remote, _) = connect(&net);
        let mut prefix = vec![1, 2, 3];
        for _ in 0..4 {
            let token = next(&net, &mut remote, &prefix).unwrap();
            assert_eq!(token.token, sum(&prefix));
            prefix.extend([token.token, 4]);
            prefix.truncate(8);
        }
        assert_eq!(state.borrow().opened, 2);
    }
    // A server that loses every session is given up after one resend.
    let (net, state) = sessions(&[1, 2, 3, 4]);
    let (mut remote, _) = connect(&net);
    let failed = next(&net, &mut remote, &[1, 2]).unwrap_err();
    assert!(matches!(failed, RemoteError::Refused { status: 404, .. }), "{failed}");
    assert_eq!((state.borrow().requests, remote.retries()), (2, 3));
    assert!(next(&net, &mut remote, &[1, 2]).is_err());
    assert_eq!(next(&net, &mut remote, &[1, 2]).unwrap().token, 3, "it goes on once the server holds sessions again");
}

#[test]
fn answers_in_sessions_that_cannot_be_are_refused() {
    let answer = |change: fn(&mut Value)| {
        let model = json!({"id": "ours", "sessions": true});
        let net = server(model, move |request| {
            if request.path == "/v1/sessions" {
                return Response { status: 201, ..ok(json!({"session": "s1", "context": 9, "expires_in": 1})) };
            }
            let mut body = json!({"position": 2, "ids": [7], "finish_reason": "length"});
            change(&mut body);
            ok(body)
        });
        let (mut remote, _) = connect(&net);
        next(&net, &mut remote, &[1, 2])
    };
    assert_eq!(answer(|_| {}).unwrap().token, 7);
    for change in [
        |body: &mut Value| body["position"] = json!(3),
        |body: &mut Value| body["ids"] = json!([7, 8]),
        |body: &mut Value| body["ids"] = json!([]),
        |body: &mut Value| body["ids"] = json!([-1]),
        |body: &mut Value| *body = json!([]),
    ] {
        assert!(matches!(answer(change), Err(RemoteError::BadAnswer(_))));
    }
    // An answer that ends without a token is the end of the turn.
    let ended = answer(|body| (body["ids"], body["finish_reason"]) = (json!([]), json!("stop")));
    assert_eq!(ended.unwrap().token, END);
    // A name that would change the path.
    let net = server(json!({"id": "ours", "sessions": true}), |_| ok(json!({"session": "../admin"})));
    assert!(next(&net, &mut connect(&net).0, &[1]).is_err());
}

// --- tokens ------------------------------------------------------------------------------------------------------------

const COMPLETION: [&str; 5] = ["model", "prompt", "max_tokens", "temperature", "logprobs"];
const WITH_IDS: [&str; 8] = [
    "repetition_penalty",
    "model",
    "prompt",
    "max_tokens",
    "temperature",
    "logprobs",
    "return_token_ids",
    "return_tokens_as_token_ids",
];

fn prompt(request: &Request, known: &[&str]) -> Result<Vec<TokenId>, Response> {
    assert_eq!(request.path, "/v1/completions");
    let body = strict(request, known)?;
    assert_eq!((&body["temperature"], &body["model"]), (&json!(0), &json!("m")));
    ids(&body["prompt"]).ok_or_else(|| error(422, "prompt must be a list of integers"))
}

/// vLLM: `token_ids` beside the text, candidates named `token_id:N`, usage with cached tokens only behind a flag.
fn vllm(request: &Request) -> Response {
    let prompt = match prompt(request, &WITH_IDS) {
        Ok(prompt) => prompt,
        Err(refused) => return refused,
    };
    let token = sum(&prompt);
    ok(json!({
        "id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m",
        "choices": [{
            "index": 0, "text": " x", "finish_reason": "length", "stop_reason": null, "token_ids": [token],
            "prompt_logprobs": null, "prompt_token_ids": prompt,
            "logprobs": {"text_offset": [0], "token_logprobs": [-0.1], "tokens": [format!("token_id:{token}")],
                         "top_logprobs": [{format!("token_id:{token}"): -0.1, "token_id:5": -4.0}]},
        }],
        "usage": {"prompt_tokens": prompt.len(), "total_tokens": prompt.len() + 1, "completion_tokens": 1,
                  "prompt_tokens_details": null},
    }))
}

/// vLLM started to report cached tokens.
fn vllm_counting(request: &Request) -> Response {
    let mut answer: Value = serde_json::from_slice(&vllm(request).body).unwrap();
    if answer["usage"].is_object() {
        answer["usage"]["prompt_tokens_details"] = json!({"cached_tokens": 1});
    }
    ok(answer)
}

/// llama.cpp: ids and bytes with the candidates, timings, and no `token_ids`.
fn llama_cpp(request: &Request) -> Response {
    let prompt = match prompt(request, &WITH_IDS) {
        Ok(prompt) => prompt,
        Err(refused) => return refused,
    };
    let token = sum(&prompt);
    let alternative =
        |id: TokenId, logprob: f64| json!({"id": id, "token": " x", "bytes": [32, 120], "logprob": logprob});
    let mut content = alternative(token, -0.1);
    content["top_logprobs"] = json!([alternative(token, -0.1), alternative(5, -4.0)]);
    ok(json!({
        "choices": [{"text": " x", "index": 0, "finish_reason": "length", "logprobs": {"content": [content]}}],
        "object": "text_completion", "usage": {"completion_tokens": 1, "prompt_tokens": prompt.len(), "total_tokens": 9},
        "timings": {"cache_n": 2, "prompt_n": 1, "prompt_ms": 3.0, "predicted_n": 1, "predicted_ms": 0.5},
    }))
}

/// SGLang: its own path, its own words.
fn sglang(request: &Request) -> Response {
    if request.path != "/generate" {
        return error(404, "not found");
    }
    let body = match strict(request, &["input_ids", "sampling_params", "return_logprob", "top_logprobs_num"]) {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    assert_eq!(body["sampling_params"], json!({"max_new_tokens": 1, "temperature": 0, "repetition_penalty": 1}));
    let prompt = ids(&body["input_ids"]).unwrap();
    let token = sum(&prompt);
    ok(json!({"text": " x", "output_ids": [token], "meta_info": {
        "id": "1", "finish_reason": {"type": "length", "length": 1}, "prompt_tokens": prompt.len(), "completion_tokens": 1,
        "cached_tokens": 1, "output_token_logprobs": [[-0.1, token, null]],
        "output_top_logprobs": [[[-0.1, token, null], [-4.0, 5, null]]],
    }}))
}

/// A hosted gateway that refuses what it does not know and gives text only.
fn gateway(request: &Request) -> Response {
    match prompt(request, &COMPLETION) {
        Ok(_) => ok(json!({"choices": [{"index": 0, "text": " cat", "finish_reason": "length", "logprobs": null}]})),
        Err(refused) => refused,
    }
}

#[test]
fn each_server_of_tokens_is_known_by_what_it_gives() {
    let known = |serve: fn(&Request) -> Response| {
        let net = server(json!({"id": "m"}), serve);
        let (mut remote, found) = connect(&net);
        let token = next(&net, &mut remote, &[3, 4]).unwrap();
        (found, token)
    };
    let facts = |found: &Capabilities| {
        assert_eq!((found.dialect, found.exact_tokens, found.same_tokenizer), (Dialect::Tokens, true, None));
        (found.ids_back, found.logprobs, found.cached_counts)
    };
    let (found, token) = known(vllm);
    assert_eq!((facts(&found), token.token, token.top[1].id, token.tokens_cached), ((true, true, false), 7, 5, 0));
    let (found, token) = known(vllm_counting);
    assert_eq!((facts(&found), token.token, token.tokens_cached), ((true, true, true), 7, 1));
    let net = server(json!({"id": "m", "owned_by": "sglang", "max_model_len": 300}), sglang);
    let (mut remote, found) = connect(&net);
    let token = next(&net, &mut remote, &[3, 4]).unwrap();
    assert_eq!((facts(&found), token.token, token.tokens_cached, token.top[1].id), ((true, true, true), 7, 1, 5));
    assert_eq!(found.context, Some(300));
    let (found, token) = known(llama_cpp);
    assert_eq!((facts(&found), token.token, token.tokens_cached, token.server_ms), ((true, true, true), 7, 2, 3.5));
    let (found, token) = known(gateway);
    assert_eq!((facts(&found), token.token, token.rest), ((false, false, false), 257, vec![]));
}

#[test]
fn an_answer_that_stops_is_the_end_of_the_turn() {
    let net = server(json!({"id": "m"}), |request| match prompt(request, &WITH_IDS) {
        Ok(prompt) if prompt == [1] => ok(json!({"choices": [{"text": "", "token_ids": [], "finish_reason": "stop"}]})),
        Ok(_) => ok(json!({"choices": [{"text": "", "token_ids": [300], "finish_reason": "stop"}]})),
        Err(refused) => refused,
    });
    let mut remote = remote(&net);
    remote = remote.with_dialect(Some(Dialect::Tokens));
    net.run(remote.connect()).unwrap();
    assert_eq!(next(&net, &mut remote, &[1]).unwrap().token, END);
    assert_eq!(next(&net, &mut remote, &[2]).unwrap().token, END);
}

// --- text --------------------------------------------------------------------------------------------------------------

/// A server of another tokenizer that takes text only and goes on with what `say` makes of it and of the number of tokens.
fn texts(model: Value, say: fn(&str, u64) -> (&'static str, &'static str)) -> Net {
    server(model, move |request| {
        if request.path != "/v1/completions" {
            return error(404, "not found");
        }
        let body = match strict(request, &["model", "prompt", "max_tokens", "temperature"]) {
            Ok(body) => body,
            Err(refused) => return refused,
        };
        let Some(prompt) = body["prompt"].as_str() else { return error(400, "prompt must be a string") };
        let (text, finish) = say(prompt, body["max_tokens"].as_u64().unwrap());
        ok(json!({"choices": [{"index": 0, "text": text, "finish_reason": finish}]}))
    })
}

#[test]
fn a_server_of_text_gets_text_and_only_its_piece_becomes_tokens() {
    let net = texts(json!({"id": "llama3"}), |prompt, _| match prompt {
        "Hello" => (" cat", "length"),
        "Hello<|end|>a" => (" dog", "length"),
        "Hello<|end|>a dog" => ("", "stop"),
        "Hello<|end|>b" => ("<|end|>", "length"),
        other => panic!("{other}"),
    });
    let (mut remote, found) = connect(&net);
    assert_eq!(
        (found.dialect, found.exact_tokens, found.ids_back, found.logprobs),
        (Dialect::Text, false, false, false)
    );
    let token = next(&net, &mut remote, &[258]).unwrap();
    assert_eq!((token.token, token.rest), (257, vec![]));
    // What the server says in one token takes four here, and they stand together.
    let prefix = [258, END, 97];
    let token = next(&net, &mut remote, &prefix).unwrap();
    assert_eq!([&[token.token][..], &token.rest].concat(), bytes(" dog"));
    let prefix = [&prefix[..], &bytes(" dog")].concat();
    assert_eq!(next(&net, &mut remote, &prefix).unwrap().token, END, "the finish reason ends the turn");
    assert_eq!(next(&net, &mut remote, &[258, END, 98]).unwrap().token, END, "so does the token's own text");
}

#[test]
fn characters_cut_on_either_side_are_made_whole() {
    let net = texts(json!({"id": "llama3"}), |prompt, count| match (prompt, count) {
        ("Hello", _) => (" cat", "length"),
        // Its own tokens are bytes: three of them show nothing whole.
        ("a", 1..=3) => ("\u{FFFD}", "length"),
        ("a", 4) => ("😀", "length"),
        // It was not sent the start of the character.
        ("b", 1) => ("😀!", "length"),
        ("c", _) => ("d", "length"),
        other => panic!("{other:?}"),
    });
    let (mut remote, _) = connect(&net);
    let token = next(&net, &mut remote, &bytes("a")).unwrap();
    assert_eq!((token.token, remote.retries()), (260, 3));
    let token = next(&net, &mut remote, &[98, 0xF0, 0x9F]).unwrap();
    assert_eq!([&[token.token][..], &token.rest].concat(), [0x98, 0x80, 33]);
    assert!(matches!(next(&net, &mut remote, &[99, 0xF0]), Err(RemoteError::BadAnswer(_))));
}

#[test]
fn another_tokenizer_is_never_sent_ids() {
    let net = texts(json!({"id": "theirs", "tokenizer_sha256": "other", "sessions": true}), |_, _| (" cat", "length"));
    let (_, found) = connect(&net);
    assert_eq!((found.dialect, found.same_tokenizer), (Dialect::Text, Some(false)));
    assert!(net.sent.borrow()[1..].iter().all(|request| !String::from_utf8_lossy(&request.body).contains("[")));
    for dialect in [Dialect::Session, Dialect::Tokens] {
        let mut forced = remote(&net).with_dialect(Some(dialect));
        assert!(net.run(forced.connect()).unwrap_err().to_string().contains("another tokenizer"));
    }
    let mut blind = Remote::over(net.clone(), None).with_dialect(Some(Dialect::Text));
    assert!(net.run(blind.connect()).unwrap_err().to_string().contains("vocabulary"));
}

// --- chat --------------------------------------------------------------------------------------------------------------

/// A server of turns; it goes on with the begun message, starts another one, or refuses the wish.
fn chats(manner: &'static str) -> Net {
    server(json!({"id": "chatty"}), move |request| {
        if request.path != "/v1/chat/completions" {
            return error(404, "not found");
        }
        let known: &[&str] = match manner {
            "strict" => &["model", "messages", "max_tokens", "temperature"],
            _ => &["model", "messages", "max_tokens", "temperature", "add_generation_prompt", "continue_final_message"],
        };
        let body = match strict(request, known) {
            Ok(body) => body,
            Err(refused) => return refused,
        };
        let messages = body["messages"].as_array().unwrap();
        let last = messages.last().unwrap();
        assert_eq!((&last["role"], &messages[0]["role"]), (&json!("assistant"), &json!("user")));
        let content = match (manner, last["content"].as_str().unwrap()) {
            ("restarts", _) => "Sure",
            (_, begun) if begun.ends_with(" 1") => "0",
            (_, "The") => " cat",
            (_, "") => "The",
            other => panic!("{other:?}"),
        };
        ok(
            json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "length"}]}),
        )
    })
}

#[test]
fn a_server_of_turns_goes_on_with_the_begun_message_or_is_refused_with_the_reason() {
    let net = chats("continues");
    let (mut remote, found) = connect(&net);
    assert_eq!((found.dialect, found.exact_tokens), (Dialect::Chat, false));
    assert!(matches!(next(&net, &mut remote, &[1]), Err(RemoteError::BadAnswer(_))), "no conversation was told");
    remote.begin(&[Turn { role: Role::User, content: "What sleeps?".into() }], 2);
    let first = next(&net, &mut remote, &[9, 9]).unwrap();
    assert_eq!([&[first.token][..], &first.rest].concat(), bytes("The"));
    assert_eq!(next(&net, &mut remote, &[&[9, 9][..], &bytes("The")].concat()).unwrap().token, 257);
    assert_eq!(net.last()["messages"][0]["content"], "What sleeps?");
    for (manner, said) in [("restarts", "starts a new message"), ("strict", "does not go on")] {
        let net = chats(manner);
        let refused = net.run(self::remote(&net).connect()).unwrap_err();
        assert!(refused.to_string().contains(said), "{refused}");
    }
}

#[test]
fn a_server_that_fails_is_not_taken_for_another_dialect() {
    let net = server(json!({"id": "m"}), |_| error(500, "out of memory"));
    let failed = net.run(remote(&net).connect()).unwrap_err();
    assert_eq!(failed, RemoteError::Refused { status: 500, message: "out of memory".into() });
    assert_eq!(net.sent.borrow().len(), 2);
    let net = server(json!({"id": "m"}), |_| error(401, "no key"));
    assert!(matches!(net.run(remote(&net).connect()), Err(RemoteError::Refused { status: 401, .. })));
}

// --- sampling and system prompts ---------------------------------------------------------------------------------------

const DRAWN: Sampling = Sampling { temperature: 0.7, top_p: 0.9, seed: 5 };

/// The request for a token after `prefix` in a dialect, greedy and drawn.
fn asked(model: Value, dialect: Dialect, prefix: &[TokenId]) -> [Value; 2] {
    let net = server(model, |request| match request.path.as_str() {
        "/v1/sessions" => Response { status: 201, ..ok(json!({"session": "s1", "context": 9, "expires_in": 1})) },
        "/generate" => ok(json!({"output_ids": [7], "meta_info": {"finish_reason": {"type": "length"}}})),
        "/v1/chat/completions" => ok(json!({"choices": [{"message": {"content": "0"}, "finish_reason": "length"}]})),
        "/v1/completions" => ok(json!({"choices": [{"text": "x", "token_ids": [7], "finish_reason": "length"}]})),
        _ => ok(json!({"position": 3, "ids": [7], "finish_reason": "length"})),
    });
    let mut remote = remote(&net).with_dialect(Some(dialect));
    net.run(remote.connect()).unwrap();
    let turn = |role, content: &str| Turn { role, content: content.into() };
    remote.begin(&[turn(Role::System, "Be brief."), turn(Role::User, "Hi")], prefix.len());
    [Sampling::GREEDY, DRAWN].map(|sampling| {
        remote.sample(sampling);
        next(&net, &mut remote, prefix).unwrap();
        net.last()
    })
}

#[test]
fn every_dialect_says_how_tokens_are_drawn_and_nothing_of_it_where_they_are_not() {
    let prefix = [1, 2, 3];
    let near = |value: &Value, wanted: f64| (value.as_f64().unwrap() - wanted).abs() < 1e-6;
    for dialect in [Dialect::Session, Dialect::Tokens, Dialect::Text, Dialect::Chat] {
        let model = json!({"id": "m", "tokenizer_sha256": "ab12", "sessions": dialect == Dialect::Session});
        let [greedy, drawn] = asked(model, dialect, &prefix);
        assert_eq!(greedy["temperature"], json!(0), "{dialect:?}");
        assert!(["top_p", "seed", "top_k", "min_p"].iter().all(|field| greedy.get(field).is_none()), "{greedy}");
        assert!(near(&drawn["temperature"], 0.7) && near(&drawn["top_p"], 0.9), "{drawn}");
        // A server that knows the token's place is told the seed, others one for the place.
        let seed = if dialect == Dialect::Session { 5 } else { DRAWN.seed_at(3) };
        assert_eq!(drawn["seed"], json!(seed), "{dialect:?}");
        // Nothing else may leave tokens out.
        let plain = dialect == Dialect::Tokens;
        assert_eq!((drawn["top_k"] == json!(-1), drawn["min_p"] == json!(0)), (plain, plain), "{drawn}");
    }
    let [greedy, drawn] = asked(json!({"id": "m", "owned_by": "sglang"}), Dialect::Tokens, &prefix);
    assert_eq!(greedy["sampling_params"], json!({"max_new_tokens": 1, "temperature": 0, "repetition_penalty": 1}));
    let drawn = &drawn["sampling_params"];
    assert!(near(&drawn["temperature"], 0.7) && near(&drawn["top_p"], 0.9), "{drawn}");
    assert_eq!(drawn["sampling_seed"], json!(DRAWN.seed_at(3)));
}

#[test]
fn a_server_of_turns_is_told_the_system_prompt_as_one() {
    let [asked, _] = asked(json!({"id": "m"}), Dialect::Chat, &[1, 2, 3]);
    assert_eq!(asked["messages"][0], json!({"role": "system", "content": "Be brief."}));
    assert_eq!((&asked["messages"][1]["role"], &asked["messages"][2]["role"]), (&json!("user"), &json!("assistant")));
}
