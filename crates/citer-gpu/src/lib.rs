//! The fused decode path: kernels, buffers and steps of a Llama-type decoder on the GPU.
