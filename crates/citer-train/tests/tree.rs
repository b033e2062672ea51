//! Decoding over a tree gives the very answers of decoding with the engines, whatever was asked of the tree before.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_core::{
    LocalModel, Mode, RemoteError, RemoteModel, RemoteToken, RoutedDecoder, Sampling, Settings, StopFlag, TokenId,
};
use citer_lm::{Config, Decoder, Engine, EntropyScore, LlmFiles, Router, Sampler, Sequence, device, weights};
use citer_tasks::{Question, Split, suite};
use citer_train::label::{Case, Labeller, Origin, Rule};
use citer_train::measure::{Policy, measure, thresholds};
use citer_train::models::{LONGEST, Models};
use citer_train::play::Table;
use citer_train::signal::{Scorer, Signal};
use citer_train::teacher::Teacher;
use citer_train::tree::Tree;
use citer_train::workers::Workers;
use citer_train::{TrainError, recipes, vocabulary};
use futures::executor::block_on;
use std::sync::Arc;

const SIZE: usize = 400;
/// Random models have five to six nats.
const ENTROPY: EntropyScore = EntropyScore { slope: 2.0, shift: 11.0 };

fn config() -> Config {
    let mut config = recipes::recipe("slm").unwrap().config;
    config.vocab_size = SIZE;
    config.hidden_size = 16;
    config.head_dim = Some(4);
    config.intermediate_size = 24;
    config
}

/// A random model; two seeds differ at most tokens.
fn files(seed: u64) -> LlmFiles {
    let decoder = Decoder::random(&config(), seed, &device::cpu());
    LlmFiles {
        config: serde_json::to_vec(&config()).unwrap(),
        weights: block_on(weights::save(&config(), &decoder)).unwrap(),
        tokenizer: vocabulary::train(SIZE, 40, 1).unwrap().into_bytes(),
    }
}

fn questions() -> Vec<Question> {
    suite(Split::Test, 3, 1)
}

struct Llm(Sequence);

impl RemoteModel for Llm {
    fn sample(&mut self, _: Sampling) {}

    async fn next_token(&mut self, prefix: &[TokenId]) -> Result<RemoteToken, RemoteError> {
        let (output, _) = self.0.after(prefix).await.map_err(|e| RemoteError::BadAnswer(e.to_string()))?;
        let token = Sampler::default().choose(&output.logits, prefix.len(), 1).0;
        Ok(RemoteToken { token, ..RemoteToken::default() })
    }
}

#[test]
fn the_tree_answers_as_the_engines_do() {
    let device = device::cpu();
    let (slm, llm) = (files(1), files(2));
    let router = Router::random(config().hidden_size, 5, &device);
    let mut models = Models::load(&slm, &Teacher::Files(&llm), &device, LONGEST).unwrap();
    let signal = Signal::Router(router.clone());
    let tokenizer = Arc::new(citer_lm::Tokenizer::from_json(&slm.tokenizer).unwrap());
    let decoder = weights::load(&config(), &slm.weights, &device).unwrap();
    let mut engine = Engine::new(config(), decoder, Some(router), tokenizer, usize::MAX, &device).unwrap();
    let mut remote = Llm(Sequence::new(llm.engine(usize::MAX, &device).unwrap()));
    let (mut asked, mut kept) = (0, 0);
    for question in questions() {
        let mut tree = models.tree(&question.prompt).unwrap();
        let mut scorer = Scorer::new(&signal, 0, &device);
        for (mode, threshold) in [
            (Mode::Router, 0.5),
            (Mode::RemoteOnly, 0.0),
            (Mode::Router, 0.4),
            (Mode::LocalOnly, 0.0),
            (Mode::Router, 0.6),
        ] {
            let mut table = Table { models: &mut models, tree: &mut tree, scorer: &mut scorer };
            let played = table.play(&[], mode, threshold).unwrap();
            let prompt = engine.format().question(engine.tokenizer(), &question.prompt).unwrap();
            let settings = Settings { mode, threshold, max_tokens: LONGEST, ..Settings::default() };
            let stop = StopFlag::default();
            engine.truncate(0);
            let mut decoder = RoutedDecoder::new();
            let direct = decoder.answer(&mut engine, &mut remote, &prompt, &settings, &stop, |_| {});
            let direct = block_on(direct).unwrap();
            assert_eq!(played.ids(), direct.ids(), "{mode:?} at {threshold}");
            for (a, b) in played.events.iter().zip(&direct.events) {
                assert_eq!(a.source, b.source);
                assert!((a.score - b.score).abs() < 1e-4, "{} and {}", a.score, b.score);
                if mode == Mode::Router {
                    *(if a.source.is_remote() { &mut asked } else { &mut kept }) += 1;
                }
            }
        }
    }
    assert!(asked > 20 && kept > 20, "{asked} asked, {kept} kept: the thresholds split nothing");
}

#[test]
fn gold_states_are_labelled_to_the_end_and_prompts_by_whole_answers() {
    let device = device::cpu();
    let (slm, llm) = (files(1), files(2));
    let mut models = Models::load(&slm, &Teacher::Files(&llm), &device, LONGEST).unwrap();
    let rule = Rule::slm_alone();
    let question = &questions()[0];
    let labeller = Labeller { rule: &rule, device: &device, mixed: true, shortcut: true };
    let labels = labeller.label(&mut models, 7, std::slice::from_ref(question)).unwrap().remove(0).labels;
    let gold = models.format().answer(models.tokenizer(), &question.solution).unwrap();
    let states: Vec<_> = labels.iter().filter(|label| label.origin == Origin::Gold).collect();
    assert_eq!(states.len(), gold.len(), "one state a gold token, the end included");
    for (step, label) in states.iter().enumerate() {
        assert_eq!((label.depth, label.question), (step, 7));
        let tree_prefix =
            [&models.format().question(models.tokenizer(), &question.prompt).unwrap()[..], &gold[..step]].concat();
        let mut engine = slm.engine(usize::MAX, &device).unwrap();
        let token = block_on(engine.feed(&tree_prefix)).unwrap().token;
        assert_eq!(label.case == Case::SlmRight, token == gold[step]);
    }
    let prompt = labels.iter().find(|label| label.origin == Origin::Prompt).unwrap();
    assert_eq!(prompt.case, Case::RolledOut { slm: false, llm: false }, "random models answer nothing right");
    assert!(labels.iter().filter(|label| label.origin == Origin::Mixed).all(|label| label.chances[0].is_nan()));
}

#[test]
fn measurements_do_not_depend_on_the_number_of_workers() {
    let device = device::cpu();
    let (slm, llm) = (files(1), files(2));
    let questions = questions();
    let run = |threads| {
        let workers = Workers { slm: &slm, llm: Teacher::Files(&llm), device: &device, threads, longest: LONGEST };
        let signals = [Signal::Entropy(ENTROPY), Signal::Random { seed: 4 }];
        let chosen = thresholds(&workers, &questions, &signals, &[0.1, 0.5], None, &|| false).unwrap();
        let policies: Vec<_> = signals
            .into_iter()
            .zip(chosen)
            .map(|(signal, thresholds)| Policy { name: format!("{signal:?}"), signal, thresholds })
            .collect();
        measure(&workers, &questions, &policies, true, &|_| {}, &|| false).unwrap()
    };
    let one = run(1);
    assert_eq!(one, run(3));
    one.check().unwrap();
    let remote =
        |sweep: usize, setting: usize| one.sweeps[sweep].outcomes[setting].iter().map(|o| o.remote).sum::<u32>();
    for sweep in 0..2 {
        assert!(remote(sweep, 0) < remote(sweep, 1), "a higher threshold asks more");
    }
}

#[test]
fn entropy_scores_are_the_engines() {
    let (device, files) = (device::cpu(), files(1));
    let mut models = Models::load(&files, &Teacher::Files(&files), &device, LONGEST).unwrap();
    let mut engine = files.engine(usize::MAX, &device).unwrap();
    engine.stand_in = Some(ENTROPY);
    let signal = Signal::Entropy(ENTROPY);
    let mut seen = Vec::new();
    for question in questions() {
        let mut tree = models.tree(&question.prompt).unwrap();
        block_on(models.small(&mut tree, Tree::ROOT)).unwrap();
        let score = Scorer::new(&signal, 0, &device).score(&tree, Tree::ROOT);
        engine.truncate(0);
        let step = block_on(engine.feed(&tree.prefix(Tree::ROOT))).unwrap();
        assert!((score - step.score).abs() < 1e-5, "{score} and {}", step.score);
        seen.push(score);
    }
    assert!(seen.iter().any(|score| *score != seen[0]), "{seen:?}");
}

#[test]
fn a_fixed_threshold_gives_every_policy_a_setting_at_its_share() {
    let device = device::cpu();
    let slm = files(1);
    let workers = Workers { slm: &slm, llm: Teacher::Files(&slm), device: &device, threads: 2, longest: LONGEST };
    let (questions, signals) = (questions(), [Signal::Entropy(ENTROPY), Signal::Peak]);
    let chosen = |fixed| thresholds(&workers, &questions, &signals, &[0.1, 0.5], fixed, &|| false).unwrap();
    let plain = chosen(None);
    let fixed = 0.5 * (plain[0][0] + plain[0][1]);
    let with = chosen(Some(fixed));
    assert_eq!(with[0], [plain[0][0], fixed, plain[0][1]]);
    assert!(with[1].len() == 3 && plain[1][0] < with[1][1] && with[1][1] < plain[1][1], "{with:?}");
}

#[test]
fn a_run_can_be_stopped() {
    let device = device::cpu();
    let slm = files(1);
    let workers = Workers { slm: &slm, llm: Teacher::Files(&slm), device: &device, threads: 2, longest: LONGEST };
    let result = workers.each(10, |_, index| Ok(index), &|_| {}, &|| true);
    assert!(matches!(result, Err(TrainError::Stopped)));
    assert_eq!(workers.each(10, |_, index| Ok(index), &|_| {}, &|| false).unwrap(), (0..10).collect::<Vec<_>>());
}

#[test]
fn walked_states_are_those_of_decoding_and_each_is_computed_once() {
    let device = device::cpu();
    let (slm, llm) = (files(1), files(2));
    let teacher = Teacher::Files(&llm);
    let question = &questions()[1];
    let mut walking = Models::load(&slm, &teacher, &device, LONGEST).unwrap();
    let gold = walking.format().answer(walking.tokenizer(), &question.solution).unwrap();
    let mut walked = walking.tree(&question.prompt).unwrap();
    walking.walk(&mut [&mut walked], &[&gold]).unwrap();
    let mut stepping = Models::load(&slm, &teacher, &device, LONGEST).unwrap();
    let mut stepped = stepping.tree(&question.prompt).unwrap();
    for node in stepped.along(&gold) {
        block_on(stepping.small(&mut stepped, node)).unwrap();
        block_on(stepping.large(&mut stepped, node)).unwrap();
        let (a, b) = (walked.small(node).unwrap(), stepped.small(node).unwrap());
        assert_eq!((a.token, walked.large(node).unwrap().token), (b.token, stepped.large(node).unwrap().token));
        assert!(a.hidden.iter().zip(&b.hidden).all(|(a, b)| (a - b).abs() < 1e-4), "{a:?} and {b:?}");
    }
    let once = stepping.steps;
    assert_eq!((once.slm, once.llm), (gold.len() as u64, gold.len() as u64));
    let signal = Signal::Peak;
    let mut scorer = Scorer::new(&signal, 0, &device);
    let mut play = |models: &mut Models, tree: &mut citer_train::tree::Tree| {
        Table { models, tree, scorer: &mut scorer }.play(&[], Mode::Router, 0.5).unwrap();
        models.steps
    };
    let first = play(&mut stepping, &mut stepped);
    assert_eq!(play(&mut stepping, &mut stepped), first, "an answer played again computes nothing");
}

#[test]
fn one_cap_ends_answers_and_roll_outs_alike() {
    let device = device::cpu();
    let (slm, llm) = (files(1), files(2));
    let longest = 17;
    let mut models = Models::load(&slm, &Teacher::Files(&llm), &device, longest).unwrap();
    let signal = Signal::Peak;
    for question in questions() {
        let mut tree = models.tree(&question.prompt).unwrap();
        for begun in [0, 5] {
            for mode in [Mode::LocalOnly, Mode::Router, Mode::RemoteOnly] {
                let mut scorer = Scorer::new(&signal, 0, &device);
                let ids = vec![50; begun];
                let mut table = Table { models: &mut models, tree: &mut tree, scorer: &mut scorer };
                let rest = table.play(&ids, mode, 0.5).unwrap();
                let ends = rest.events.last().is_some_and(|event| models.format().is_end(event.id));
                assert!(ends || begun + rest.events.len() == longest, "{mode:?} from {begun}");
                let inner = &rest.events[..rest.events.len() - 1];
                assert!(inner.iter().all(|event| !models.format().is_end(event.id)), "nothing follows the end");
            }
        }
    }
}

#[test]
fn training_labels_and_decoding_read_the_same_ids() {
    let device = device::cpu();
    let (slm, llm) = (files(1), files(2));
    let models = Models::load(&slm, &Teacher::Files(&llm), &device, LONGEST).unwrap();
    for question in suite(Split::Train, 3, 4) {
        let (tokenizer, format) = (models.tokenizer(), models.format());
        let trained =
            citer_train::batch::Example::new(tokenizer, format, &question.prompt, &question.solution).unwrap();
        let tree = models.tree(&question.prompt).unwrap();
        let gold = format.answer(tokenizer, &question.solution).unwrap();
        assert_eq!(trained.ids, [tree.prompt(), &gold[..]].concat());
        assert_eq!(trained.answer, tree.prompt().len());
        assert!(format.is_end(*gold.last().unwrap()));
    }
}

#[test]
fn many_questions_at_once_say_what_each_says_alone() {
    let device = device::cpu();
    let (slm, llm) = (files(1), files(2));
    let teacher = Teacher::Files(&llm);
    // Short answers, so that the context never cuts a batch.
    let longest = 30;
    let mut models = Models::load(&slm, &teacher, &device, longest).unwrap();
    let mut alone = Models::load(&slm, &teacher, &device, longest).unwrap();
    // More than one batch, prompts of many lengths.
    let questions = suite(Split::Train, 8, 8);
    let mut trees: Vec<_> = questions.iter().map(|question| models.tree(&question.prompt).unwrap()).collect();
    let lengths: std::collections::BTreeSet<usize> = trees.iter().map(|tree| tree.prompt().len()).collect();
    assert!(trees.len() > 32 && lengths.len() > 5);
    models.answer(&mut trees.iter_mut().collect::<Vec<_>>()).unwrap();
    let computed = models.steps;
    let signal = Signal::Peak;
    for tree in &mut trees {
        let mut own = citer_train::tree::Tree::new(tree.prompt().to_vec());
        for mode in [Mode::LocalOnly, Mode::RemoteOnly] {
            let mut scorer = Scorer::new(&signal, 0, &device);
            let mut many = Table { models: &mut models, tree, scorer: &mut scorer };
            let many = many.play(&[], mode, 0.0).unwrap().ids();
            let mut scorer = Scorer::new(&signal, 0, &device);
            let mut one = Table { models: &mut alone, tree: &mut own, scorer: &mut scorer };
            assert_eq!(many, one.play(&[], mode, 0.0).unwrap().ids(), "{mode:?}");
        }
        for node in own.along(&[]) {
            let (a, b) = (tree.small(node).unwrap(), own.small(node).unwrap());
            assert!(a.hidden.iter().zip(&b.hidden).all(|(a, b)| (a - b).abs() < 1e-4), "{a:?} and {b:?}");
        }
    }
    assert_eq!(models.steps, computed, "some states were left to be computed alone");
}
