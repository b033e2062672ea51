//! The place: the workspace's folders and how to start programs in it.

use crate::failure::Failure;
use std::{
    env,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::Command,
};

/// Absolute folders of this checkout.
pub struct Place {
    /// The workspace root.
    pub root: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
    /// `PATH` with our own tools first.
    search: OsString,
}

impl Place {
    /// The checkout this program was built from, and the target folder that cargo uses for it.
    pub fn find() -> Result<Self, Failure> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map(Path::to_path_buf);
        let root =
            root.ok_or_else(|| Failure::new("the workspace root was not found: run `cargo xtask` inside a clone"))?;
        let here = env::current_dir().unwrap_or_else(|_| root.clone());
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| here.join(folder));
        let old = env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(target.join("tools/bin")).chain(env::split_paths(&old));
        let search = env::join_paths(folders).unwrap_or(old);
        Ok(Self { root, target, search })
    }

    /// Where tools are installed.
    pub fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// The built page.
    pub fn dist(&self) -> PathBuf {
        self.root.join("dist")
    }

    /// The shipped pair.
    pub fn models(&self) -> PathBuf {
        self.root.join("web/models")
    }

    /// The program `citer`, which [`crate::native::build`] makes.
    pub fn citer(&self) -> PathBuf {
        self.target.join("release").join(format!("citer{}", env::consts::EXE_SUFFIX))
    }

    /// A command that runs in the root with our tools on `PATH`.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let program = program.as_ref();
        let program = self.which(program).map_or_else(|| program.to_owned(), PathBuf::into_os_string);
        let mut command = Command::new(program);
        command.current_dir(&self.root).env("PATH", &self.search);
        if env::var_os("CARGO_TARGET_DIR").is_some() {
            command.env("CARGO_TARGET_DIR", &self.target);
        }
        command
    }

    /// The cargo that started this task.
    pub fn cargo(&self) -> Command {
        self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }

    /// The full path of a program on `PATH`.
    pub fn which(&self, program: impl AsRef<OsStr>) -> Option<PathBuf> {
        let endings = if cfg!(windows) { [".exe", ".cmd"].as_slice() } else { [""].as_slice() };
        env::split_paths(&self.search)
            .flat_map(|folder| {
                let path = folder.join(program.as_ref());
                endings.iter().map(move |ending| {
                    let mut path = path.clone().into_os_string();
                    path.push(ending);
                    PathBuf::from(path)
                })
            })
            .find(|path| path.is_file())
    }
}
