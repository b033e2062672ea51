//! Model cards: what was trained, on what, how to do it again, and how good it is.

use crate::evaluate::{Report, Score};
use crate::pretrain::Recipe;
use crate::recipes::{SEED, VOCABULARY_QUESTIONS};
use citer_lm::RouterCard;

fn table(score: &Score) -> String {
    let mut text = format!("| family | accuracy (95 % interval) |\n|---|---|\n| all | {} |\n", score.accuracy);
    for (family, share) in &score.families {
        text += &format!("| {family} | {share} |\n");
    }
    text
}

fn thresholds(card: &RouterCard) -> String {
    let rows = card.thresholds.iter().map(|t| {
        format!(
            "| {:.4} | {:.1} % | {:.1} % | {:.2} | {:.1} | {:.2} |\n",
            t.threshold,
            100.0 * t.remote,
            100.0 * t.accuracy,
            t.calls,
            t.bytes / 1e3,
            1e3 * t.usd
        )
    });
    let head = "| threshold | remote tokens | right answers | requests | kB | USD a 1,000 answers |";
    format!("{head}\n|---|---|---|---|---|---|\n{}", rows.collect::<String>())
}

/// The card of `slm` or `llm`.
pub fn model_card(name: &str, recipe: &Recipe, score: &Score, report: &Report) -> String {
    let config = &recipe.config;
    format!(
        "# citer-{name}\n\n\
        A Llama-type decoder of {:.2} M parameters: {} layers, hidden size {}, {} query heads over {} key heads, MLP {}, \
        {} tokens, {} positions, tied head. Weights are F16.\n\n\
        It answers the questions of Citer's own suite and nothing else.\n\n\
        - Data: the training split of the suite (`citer-tasks`), drawn with seed {}; {} questions in {} steps of {}. \
        The loss looks at answers only.\n\
        - Vocabulary: byte-level BPE over {VOCABULARY_QUESTIONS} questions a family, seed {SEED}.\n\
        - Optimiser: Muon for the layers' matrices, AdamW for the rest; peak learning rate {}, {} steps of warm-up, cosine cycles of {:?} steps.\n\
        - Seed of the weights: {}.\n\
        - Command: `citer pretrain {name}`\n\n\
        Accuracy on {} held-out questions a family, greedy (`citer eval --per-family {}`):\n\n{}",
        config.parameters() as f64 / 1e6,
        config.num_hidden_layers,
        config.hidden_size,
        config.num_attention_heads,
        config.kv_heads(),
        config.intermediate_size,
        config.vocab_size,
        config.max_position_embeddings,
        recipe.seed,
        recipe.schedule.steps() * recipe.batch,
        recipe.schedule.steps(),
        recipe.batch,
        recipe.schedule.peak,
        recipe.schedule.warmup,
        recipe.schedule.cycles,
        recipe.seed,
        report.per_family,
        report.per_family,
        table(score),
    )
}

/// The router's card for people, beside its JSON.
pub fn router_card(card: &RouterCard, report: &Report) -> String {
    format!(
        "# citer-router\n\n\
        CITER's router (arXiv 2502.01976) for citer-slm and citer-llm: an MLP over the SLM's final hidden state whose \
        output is P(the SLM's token is good enough).\n\n\
        - Data: {} ({} questions, SHA-256 {}).\n\
        - Labels: {} states. The shortcut over gold answers; where both models are wrong both \
        branches are finished and judged. Later rounds add the states of mixed decoding. {} rounds were run, round {} was \
        best on validation questions.\n\
        - Objective: {}. Split by question; \
        the best epoch of the best learning rate is kept, classes {}.\n\
        - These questions come from the pool that both models were trained on: their confidence there is higher than on new \
        questions. Thresholds come from validation questions, which no model saw.\n\
        - Calibration: {}, the best on questions it was not fitted to, folded into the weights; expected calibration error {:.4}, before {:.4}.\n\
        - Seed: {}. Command: `citer train`\n\
        - Threshold {:.4}, which gave {:.1} % remote tokens on validation questions.\n\n\
        SHA-256 of the files it belongs to: SLM {}, LLM {}, tokenizer {}.\n\n\
        On {} held-out questions a family (`citer eval --per-family {}`), {} of the tokens came from the LLM:\n\n{}\n\
        Thresholds by share and by budget, on validation questions; costs are those of a stateless API at the prices of \
        `citer train`:\n\n{}",
        card.training.data,
        card.training.questions,
        card.training.data_sha256,
        card.training.states,
        card.training.rounds,
        card.training.best_round,
        card.training.objective,
        if card.training.balanced { "balanced" } else { "as frequent as they are" },
        card.training.calibration_method,
        card.training.calibration_error[1],
        card.training.calibration_error[0],
        card.seed,
        card.threshold,
        100.0 * card.validation_share,
        card.slm_sha256,
        card.llm_sha256,
        card.tokenizer_sha256,
        report.per_family,
        report.per_family,
        report.routed.remote,
        table(&report.routed),
        thresholds(card),
    )
}
