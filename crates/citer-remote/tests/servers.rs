//! Several servers, retries and patience, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fakes;

use citer_core::{RemoteError, RemoteModel, RemoteToken, Sampling, TokenId};
use citer_remote::{Policy, Remote, Response, Servers};
use fakes::*;
use serde_json::json;
use std::{cell::RefCell, rc::Rc, time::Duration};

const MS: Duration = Duration::from_millis(1);

/// What each request to a server meets, in order; the last one for all that follow.
type Script = Rc<RefCell<Vec<(Duration, Reply)>>>;

#[derive(Clone)]
enum Reply {
    Token(TokenId),
    Tokens(Vec<TokenId>),
    Status(u16, Option<u64>),
    Broken,
}
use Reply::*;

fn net(clock: &Clock, script: &Script) -> Net {
    let script = script.clone();
    Net::new(clock, move |_| {
        let mut script = script.borrow_mut();
        let (takes, reply) = if script.len() > 1 { script.remove(0) } else { script[0].clone() };
        let answer = |ids: &[TokenId]| Ok(ok(json!({"choices": [{"token_ids": ids}]})));
        let outcome = match reply {
            Token(id) => answer(&[id]),
            Tokens(ids) => answer(&ids),
            Status(status, retry_after) => Ok(Response { retry_after, ..error(status, "no") }),
            Broken => Err(RemoteError::Unreachable("gone".into())),
        };
        (takes, outcome)
    })
}

struct Scene {
    clock: Clock,
    nets: Vec<Net>,
    scripts: Vec<Script>,
    servers: Servers<Net>,
}

impl Scene {
    fn new(scripts: &[&[(Duration, Reply)]], policy: Policy) -> Self {
        let clock = Clock::default();
        let scripts: Vec<Script> = scripts.iter().map(|script| Rc::new(RefCell::new(script.to_vec()))).collect();
        let nets: Vec<Net> = scripts.iter().map(|script| net(&clock, script)).collect();
        let servers = Servers::new(nets.iter().map(|net| Remote::over(net.clone(), None)).collect(), policy);
        Self { clock, nets, scripts, servers }
    }

    fn next(&mut self, prefix: &[TokenId]) -> Result<RemoteToken, RemoteError> {
        self.clock.run(self.servers.next_token(prefix))
    }

    fn token(&mut self) -> Result<TokenId, RemoteError> {
        self.next(&[1, 2]).map(|token| token.token)
    }

    fn sent(&self) -> Vec<usize> {
        self.nets.iter().map(|net| net.sent.borrow().len()).collect()
    }

    fn pass(&self, time: Duration) {
        self.clock.run(self.clock.sleep(time));
    }
}

#[test]
fn the_next_server_takes_over_and_the_first_is_asked_again_after_its_pause() {
    let mut scene = Scene::new(&[&[(MS, Broken), (MS, Token(7))], &[(MS, Token(8))]], Policy::default());
    assert_eq!(scene.token(), Ok(8));
    assert_eq!((scene.sent(), scene.servers.retries()), (vec![1, 1], 1));
    assert_eq!(scene.token(), Ok(8), "the first one is left alone");
    scene.pass(200 * MS);
    assert_eq!(scene.token(), Ok(7));
    assert_eq!((scene.sent(), scene.servers.retries()), (vec![2, 2], 0));
}

#[test]
fn pauses_grow_with_failures_in_a_row_and_end_with_success() {
    let policy = Policy { retries: 0, ..Policy::default() };
    let mut scene = Scene::new(&[&[(MS, Broken)]], policy);
    for doubling in 0..12 {
        assert!(matches!(scene.token(), Err(RemoteError::Unreachable(_))));
        let Err(RemoteError::Cooling(wait)) = scene.token() else { panic!("it is asked at once") };
        let usual = (100 << doubling).min(30_000) as f64;
        assert!((0.5 * usual - 1.0..1.5 * usual).contains(&(wait as f64)), "{wait} after {doubling}");
        scene.pass(Duration::from_millis(wait) + MS);
    }
    scene.scripts[0].borrow_mut().splice(.., [(MS, Token(3)), (MS, Broken)]);
    assert_eq!(scene.token(), Ok(3));
    assert!(matches!(scene.token(), Err(RemoteError::Unreachable(_))));
    let Err(RemoteError::Cooling(wait)) = scene.token() else { panic!() };
    assert!(wait <= 150, "{wait}");
}

#[test]
fn jitter_follows_the_seed() {
    let waits = |seed| {
        let policy = Policy { retries: 0, seed, ..Policy::default() };
        let mut scene = Scene::new(&[&[(MS, Broken)]], policy);
        let mut waits = Vec::new();
        for _ in 0..4 {
            let _ = scene.token();
            let Err(RemoteError::Cooling(wait)) = scene.token() else { panic!() };
            waits.push(wait);
            scene.pass(Duration::from_millis(wait) + MS);
        }
        waits
    };
    assert_eq!(waits(1), waits(1));
    assert_ne!(waits(1), waits(2));
}

#[test]
fn one_server_alone_is_tried_again_within_patience() {
    let mut scene = Scene::new(&[&[(MS, Broken), (MS, Status(500, None)), (MS, Token(7))]], Policy::default());
    assert_eq!(scene.token(), Ok(7));
    assert_eq!((scene.sent(), scene.servers.retries()), (vec![3], 2));
    let took = scene.clock.now();
    assert!(took > 150 * MS && took < 500 * MS, "{took:?}");
}

#[test]
fn retry_after_is_honoured() {
    let mut scene = Scene::new(&[&[(MS, Status(429, Some(3))), (MS, Token(7))]], Policy::default());
    assert_eq!(scene.token(), Ok(7));
    assert!(scene.clock.now() >= Duration::from_secs(3));
    // Longer than patience: the local token stands at once, and no request is made until the time is over.
    let mut scene = Scene::new(&[&[(MS, Status(503, Some(60))), (MS, Token(7))]], Policy::default());
    assert_eq!(scene.token(), Err(RemoteError::Busy(60)));
    assert!(matches!(scene.token(), Err(RemoteError::Cooling(wait)) if wait > 59_000));
    assert_eq!(scene.sent(), [1]);
    scene.pass(Duration::from_secs(60));
    assert_eq!(scene.token(), Ok(7));
}

#[test]
fn a_refused_key_is_not_hammered() {
    let mut scene = Scene::new(&[&[(MS, Status(401, None))], &[(MS, Token(8))]], Policy::default());
    for _ in 0..50 {
        assert_eq!(scene.token(), Ok(8));
        scene.pass(100 * MS);
    }
    assert_eq!(scene.sent()[0], 1);
}

#[test]
fn a_slow_answer_is_not_awaited_and_serves_where_it_still_fits() {
    let policy = Policy { look_ahead: 3, ..Policy::default() };
    let mut quick = vec![(20 * MS, Token(7)); 10];
    quick.push((900 * MS, Tokens(vec![7, 8, 9])));
    quick.push((20 * MS, Token(5)));
    let run = |kept: TokenId| {
        let mut scene = Scene::new(&[&quick], policy.clone());
        for _ in 0..10 {
            assert_eq!(scene.next(&[1]).unwrap().token, 7);
        }
        let began = scene.clock.now();
        let Err(RemoteError::Timeout(waited)) = scene.next(&[1, 2]) else { panic!("it was awaited") };
        assert_eq!(
            (waited, scene.clock.now() - began),
            (500, 500 * MS),
            "twice as long as usual, at least half a second"
        );
        scene.pass(900 * MS);
        let next = scene.next(&[1, 2, kept]).unwrap();
        (next.token, next.reserved, scene.sent()[0])
    };
    // The local token that stood is the LLM's: its further tokens hold, without another request.
    assert_eq!(run(7), (8, true, 11));
    // Another one stood: the late answer is worth nothing.
    assert_eq!(run(6), (5, false, 12));
}

#[test]
fn a_request_that_never_ends_is_given_up_for_the_next_one() {
    let mut script = vec![(20 * MS, Token(7)); 10];
    script.push((Duration::MAX, Token(1)));
    script.push((20 * MS, Token(5)));
    let mut scene = Scene::new(&[&script], Policy::default());
    (0..10).for_each(|_| assert_eq!(scene.token(), Ok(7)));
    assert!(matches!(scene.token(), Err(RemoteError::Timeout(_))));
    scene.pass(200 * MS);
    assert_eq!(scene.token(), Ok(5));
    // Without adaptive waiting the transport's own limit holds.
    let policy = Policy { adaptive: false, patience: Duration::from_secs(60), ..Policy::default() };
    let mut scene = Scene::new(&[&script], policy);
    (0..10).for_each(|_| assert_eq!(scene.token(), Ok(7)));
    let began = scene.clock.now();
    assert_eq!(scene.token(), Err(RemoteError::Timeout(5_000)));
    assert_eq!(scene.clock.now() - began, Duration::from_secs(5));
}

#[test]
fn the_reserve_answers_only_where_the_answer_went_its_way() {
    let policy = Policy { look_ahead: 3, ..Policy::default() };
    let mut scene = Scene::new(&[&[(MS, Tokens(vec![4, 5, 6])), (MS, Token(9))]], policy);
    let first = scene.next(&[1]).unwrap();
    assert_eq!((first.token, first.reserved, first.tokens_received), (4, false, 3));
    let second = scene.next(&[1, 4]).unwrap();
    assert_eq!((second.token, second.reserved, second.bytes_sent, scene.servers.retries()), (5, true, 0, 0));
    // The SLM said 5 by itself, and the token after it is critical.
    assert_eq!(scene.next(&[1, 4, 5]).unwrap().token, 6);
    assert_eq!(scene.sent(), [1]);
    assert_eq!(scene.next(&[1, 3]).unwrap().token, 9);
    assert_eq!(scene.sent(), [2]);
}

#[test]
fn what_was_drawn_in_another_way_is_not_in_reserve() {
    let policy = Policy { look_ahead: 3, ..Policy::default() };
    let mut scene = Scene::new(&[&[(MS, Tokens(vec![4, 5, 6])), (MS, Token(9))]], policy);
    let drawn = |seed| Sampling { temperature: 1.0, top_p: 1.0, seed };
    scene.servers.sample(drawn(1));
    assert_eq!(scene.next(&[1]).unwrap().token, 4);
    scene.servers.sample(drawn(1));
    assert_eq!(scene.next(&[1, 4]).unwrap().token, 5, "nothing changed");
    scene.servers.sample(drawn(2));
    assert_eq!(scene.next(&[1, 4]).unwrap().token, 9);
}

#[test]
fn servers_that_cannot_be_used_are_left_out_with_their_reason() {
    let clock = Clock::default();
    let good = Net::new(&clock, |request| {
        let body = match request.path.as_str() {
            "/v1/models" => json!({"data": [{"id": "big", "sessions": true}]}),
            _ => json!({"session": "s", "position": 1, "ids": [3]}),
        };
        (MS, Ok(ok(body)))
    });
    let gone = Net::new(&clock, |_| (MS, Err(RemoteError::Unreachable("gone".into()))));
    let remotes = vec![Remote::over(gone.clone(), None), Remote::over(good, None)];
    let mut servers = Servers::new(remotes, Policy::default());
    clock.run(servers.look());
    let found = clock.run(servers.connect());
    assert_eq!(found[0], Err(RemoteError::Unreachable("gone".into())));
    assert_eq!(found[1].as_ref().unwrap().model, "big");
    assert_eq!(gone.sent.borrow().len(), 1, "it is not asked twice");
    assert_eq!(clock.run(servers.next_token(&[1])).unwrap().token, 3);
    clock.run(servers.close());
}
