//! The scripts that the server runs, as administrators find them in `scripts/redis`.

use std::sync::LazyLock;

use redis::Cmd;

/// A script, and the digest by which servers know it.
#[derive(Debug)]
pub(crate) struct Script {
    text: &'static str,
    digest: String,
}

/// One call of a script.
#[derive(Debug)]
pub(crate) struct Call {
    script: &'static Script,
    keys: Vec<Vec<u8>>,
    arguments: Vec<Vec<u8>>,
}

macro_rules! script {
    ($($file:literal),+) => {
        LazyLock::new(|| Script::new(concat!($(include_str!(concat!("../scripts/", $file)), "\n"),+)))
    };
}

pub(crate) static OPEN: LazyLock<Script> = script!("fence.lua", "open.lua");
pub(crate) static FILL: LazyLock<Script> = script!("fill.lua");
pub(crate) static WRITE: LazyLock<Script> = script!("fence.lua", "write.lua");
pub(crate) static RAISE: LazyLock<Script> = script!("fence.lua", "raise.lua");
pub(crate) static REMOVE: LazyLock<Script> = script!("fence.lua", "remove.lua");
pub(crate) static REMOVE_TAG: LazyLock<Script> = script!("fence.lua", "remove_tag.lua");
pub(crate) static SCAN: LazyLock<Script> = script!("scan.lua");
pub(crate) static APPEND_EVENTS: LazyLock<Script> = script!("append_events.lua");
pub(crate) static ATOMIC: LazyLock<Script> = script!("atomic.lua");
pub(crate) static TRIM: LazyLock<Script> = script!("trim.lua");

impl Script {
    fn new(text: &'static str) -> Self {
        Self { text, digest: redis::Script::new(text).get_hash().to_owned() }
    }

    pub(crate) fn call(&'static self) -> Call {
        Call { script: self, keys: Vec::new(), arguments: Vec::new() }
    }
}

impl Call {
    pub(crate) fn key(&mut self, key: impl Into<Vec<u8>>) -> &mut Self {
        self.keys.push(key.into());
        self
    }

    pub(crate) fn argument(&mut self, argument: impl Into<Vec<u8>>) -> &mut Self {
        self.arguments.push(argument.into());
        self
    }

    /// The call by the script's digest.
    pub(crate) fn by_digest(&self) -> Cmd {
        self.command("EVALSHA", &self.script.digest)
    }

    /// The call with the script's text, by which the server learns it.
    pub(crate) fn with_text(&self) -> Cmd {
        self.command("EVAL", self.script.text)
    }

    fn command(&self, name: &'static str, script: &str) -> Cmd {
        let bytes: usize = self.keys.iter().chain(&self.arguments).map(Vec::len).sum();
        let count = 3 + self.keys.len() + self.arguments.len();
        let mut command = Cmd::with_capacity(count, name.len() + script.len() + 8 + bytes);
        command.arg(name).arg(script).arg(self.keys.len());
        for argument in self.keys.iter().chain(&self.arguments) {
            command.arg(&argument[..]);
        }
        command
    }
}
