//! `cargo xtask`: every development task, the same on a laptop and in continuous integration.

mod browser;
mod command;
mod demo;
mod e2e;
mod engine_size;
mod failure;
mod fuzz;
mod lint;
mod llama_cpp;
mod load;
mod native;
mod openai;
mod optimise;
mod parts;
mod place;
mod python;
mod request;
mod shell;
mod sizes;
mod soak;
mod step;
mod system;
mod test;
mod tools;
mod version;
mod web;

use crate::{
    failure::Failure,
    place::Place,
    request::{HELP, Request},
    step::Steps,
};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nxtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Failure> {
    let request = Request::read(arguments)?;
    let place = Place::find()?;
    let mut steps = Steps::default();
    match request {
        Request::Help => {
            println!("{HELP}");
            Ok(())
        }
        Request::Demo { open } => demo::run(&place, &mut steps, open),
        Request::Test { skip } => {
            let result = test::run(&place, &mut steps, &skip);
            steps.summary();
            result
        }
        Request::Lint { all } => lint::run(&place, &mut steps, all),
        Request::Fuzz { seconds } => fuzz::run(&place, &mut steps, seconds),
        Request::Shell { folder } => shell::prepare(&place, &folder),
        Request::Soak { minutes } => soak::run(&place, &mut steps, minutes),
        Request::Load(load) => {
            native::build(&place, &mut steps)?;
            load::run(&place, &mut steps, &load)
        }
        Request::BuildWeb => web::build(&place, &mut steps),
        Request::EngineSize { variants } => engine_size::run(&place, &mut steps, &variants),
        Request::E2e => {
            native::build(&place, &mut steps)?;
            web::build(&place, &mut steps)?;
            e2e::run(&place, &mut steps, &e2e::ALL)
        }
        Request::Memory => {
            native::build(&place, &mut steps)?;
            web::build(&place, &mut steps)?;
            e2e::run(&place, &mut steps, &e2e::MEMORY)
        }
    }
}
