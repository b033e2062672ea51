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
        - Optimiser: AdamW, peak learning rate {}, {} steps of warm-up, cosine cycles of {:?} steps, gradients clipped to \
        norm 1.\n\
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
        - Labels: the shortcut over gold answers of training questions; where both models are wrong the answer is \
        rolled out with the SLM and judged.\n\
        - Loss: Bradley-Terry over the two actions, that is binary cross-entropy on the preferred one. Split by question; \
        the best epoch is kept.\n\
        - Seed: {}. Command: `citer router`\n\
        - Threshold {:.4}, which gave {:.1} % remote tokens on validation questions.\n\n\
        On {} held-out questions a family (`citer eval --per-family {}`), {} of the tokens came from the LLM:\n\n{}",
        card.seed,
        card.threshold,
        100.0 * card.validation_share,
        report.per_family,
        report.per_family,
        report.routed.remote,
        table(&report.routed),
    )
}
