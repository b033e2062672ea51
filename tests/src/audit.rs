//! The automated audit: what axe-core objects to.

use crate::page::Page;
use std::{env, fs, path::Path};

/// What was found so far.
#[derive(Default)]
pub struct Audit {
    found: Vec<String>,
}

impl Audit {
    /// Runs axe-core on the page as it is.
    pub async fn look(&mut self, page: &Page<'_>, name: &str) {
        let Some(axe) = env::var_os("CITER_AXE") else {
            println!("audit of {name}: skipped, because axe-core is not there (npm installs it)");
            return;
        };
        let source = fs::read_to_string(Path::new(&axe)).unwrap();
        page.script(&format!("if (!window.axe) {{ {source} }}"), vec![]).await;
        let violations = page
            .script(
                "return axe.run(document, { resultTypes: ['violations'] }).then(result => result.violations.map(violation => ({
                  id: violation.id, help: violation.help,
                  nodes: violation.nodes.map(node => `${node.target} ${node.failureSummary}`).slice(0, 5) })));",
                vec![],
            )
            .await;
        self.found.extend(violations.as_array().unwrap().iter().map(|violation| format!("{name}: {violation}")));
    }

    /// Fails where there was anything.
    pub fn end(self) {
        assert!(self.found.is_empty(), "axe-core objects:\n{}", self.found.join("\n"));
    }
}
