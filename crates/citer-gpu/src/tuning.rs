//! Tuning: which variant of each kernel this adapter runs, chosen by time among those that compute right.

use crate::format::PANEL;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A variant of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Choice {
    /// Rows an invocation makes.
    pub rows: usize,
    /// Tokens an invocation makes.
    pub tokens: usize,
    /// Invocations that share their rows.
    pub slices: usize,
    /// Groups of panels a cube makes.
    pub span: usize,
    /// For tests: computes wrong numbers.
    #[serde(skip)]
    pub faulty: bool,
}

impl Choice {
    /// A variant in which an invocation makes `rows` rows for `tokens` tokens.
    const fn new(rows: usize, tokens: usize, slices: usize, span: usize) -> Self {
        Self { rows, tokens, slices, span, faulty: false }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, tokens, slices, span, faulty } = self;
        let cube = span * slices * PANEL;
        let faulty = if *faulty { ", faulty" } else { "" };
        write!(out, "{rows} x {tokens} an invocation, {slices} share, {cube} in a cube{faulty}")
    }
}

/// Variants for one token. Software adapters try the first two: compiling takes them longer than running.
pub const DECODE: [Choice; 4] =
    [Choice::new(4, 1, 1, 1), Choice::new(2, 1, 8, 1), Choice::new(2, 1, 4, 2), Choice::new(2, 1, 1, 1)];

/// Variants for many tokens; as above.
pub const PREFILL: [Choice; 3] = [Choice::new(4, 4, 1, 1), Choice::new(2, 4, 4, 1), Choice::new(2, 8, 1, 1)];

/// Variants that a software adapter tries.
pub const SOFTWARE: usize = 2;

/// The variants of one kind of step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choices {
    /// Queries, keys and values.
    pub qkv: Choice,
    /// Attention output.
    pub output: Choice,
    /// Gate and up projection.
    pub gate_up: Choice,
    /// Down projection.
    pub down: Choice,
    /// Output head.
    pub head: Choice,
    /// The router's hidden layer.
    pub router: Choice,
    /// Whether attention shares its work within a cube.
    pub together: bool,
}

impl Choices {
    const fn all(choice: Choice, one: Choice, together: bool) -> Self {
        Self { qkv: choice, output: choice, gate_up: choice, down: choice, head: one, router: one, together }
    }

    /// The choice for `product`.
    pub(crate) fn at(&mut self, product: Product) -> &mut Choice {
        match product {
            Product::Qkv => &mut self.qkv,
            Product::Output => &mut self.output,
            Product::GateUp => &mut self.gate_up,
            Product::Down => &mut self.down,
            Product::Head => &mut self.head,
            Product::Router => &mut self.router,
        }
    }
}

/// All variants of a model on an adapter; may be kept for the next time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tuning {
    /// For one token.
    pub decode: Choices,
    /// For many tokens.
    pub prefill: Choices,
}

impl Default for Tuning {
    /// Variants without barriers: right everywhere, fast on software adapters.
    fn default() -> Self {
        Self { decode: Choices::all(DECODE[0], DECODE[0], false), prefill: Choices::all(PREFILL[0], DECODE[0], false) }
    }
}

impl Tuning {
    /// The variants for a step of `tokens` tokens.
    pub(crate) fn at(&self, tokens: usize) -> &Choices {
        if tokens == 1 { &self.decode } else { &self.prefill }
    }
}

/// A product that has variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Product {
    Qkv,
    Output,
    GateUp,
    Down,
    Head,
    Router,
}

impl Product {
    pub fn name(self) -> &'static str {
        match self {
            Self::Qkv => "queries, keys and values",
            Self::Output => "attention output",
            Self::GateUp => "gate and up",
            Self::Down => "down",
            Self::Head => "output head",
            Self::Router => "router",
        }
    }
}

/// What was found out about one variant.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The kernel.
    pub kernel: String,
    /// The variant.
    pub variant: String,
    /// Largest difference from the known answer, as a share of what rounding may add up to; above 1 the variant is wrong.
    pub error: f32,
    /// Microseconds a run; `None` where it was not timed.
    pub micros: Option<f64>,
    /// Whether it is used.
    pub chosen: bool,
}
