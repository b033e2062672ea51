//! The kernels of a decode step, in the order they run.

pub mod attention;
pub mod choose;
pub mod decode;
pub mod embed;
pub mod matmul;
pub mod rotary;
pub mod stream;
