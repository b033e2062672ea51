//! The engine on the processor, for devices without WebGPU.

fn main() {
    citer_worker::run();
}
