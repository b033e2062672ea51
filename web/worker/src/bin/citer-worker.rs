//! The engine on WebGPU.

fn main() {
    citer_worker::run();
}
