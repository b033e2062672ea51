//! `citer key`: makes an API key for `citer serve`.

use crate::Failure;
use citer_serve::keys;

#[derive(clap::Args)]
pub struct Args {
    /// Who gets the key.
    name: String,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let (key, sha256) = keys::create()?;
    let name = args.name.replace(['"', '\\', '\n'], "");
    // The key goes to a place of its own, so that the rest can be appended to the configuration.
    eprintln!("{key}\nis the key; it is shown only now. For the configuration file:\n");
    println!("[[keys]]\nname = \"{name}\"\nsha256 = \"{sha256}\"");
    Ok(())
}
