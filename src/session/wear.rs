//! What a session has done that speaks against using its connection again.

use std::sync::atomic::{AtomicU8, Ordering};

/// How much a reset by the server has to undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wear {
    /// Statements with parameters: what they set ends with them, and they leave no transaction open without an error.
    None = 0,
    /// Work that may have done anything: the server is asked what it left behind.
    Unknown = 1,
    /// What a reset may not undo, or what would block others until the reset.
    Worn = 2,
}

/// Procedures whose traces are not left to a reset: an application lock would be held until the next invocation, an
/// application role is never taken back, and not every engine forgets session context.
const NOT_RESET: [&str; 3] = ["sp_getapplock", "sp_setapprole", "sp_set_session_context"];

/// The worst that a session has done so far.
#[derive(Debug, Default)]
pub(super) struct Worst(AtomicU8);

impl Worst {
    pub(super) fn so_far(&self) -> Wear {
        match self.0.load(Ordering::Relaxed) {
            0 => Wear::None,
            1 => Wear::Unknown,
            _ => Wear::Worn,
        }
    }

    pub(super) fn note(&self, wear: Wear) {
        self.0.fetch_max(wear as u8, Ordering::Relaxed);
    }

    /// A statement with parameters is about to run.
    pub(super) fn statement(&self, sql: &str) {
        if NOT_RESET.into_iter().any(|word| after(sql, word).is_some()) || sets_isolation(sql) {
            self.note(Wear::Worn);
        }
    }

    /// A batch is about to run.
    pub(super) fn batch(&self, sql: &str) {
        self.note(Wear::Unknown);
        self.statement(sql);
    }
}

/// What stands behind the first place where this word does, in any case.
fn after<'a>(sql: &'a str, word: &str) -> Option<&'a str> {
    let at =
        sql.as_bytes().windows(word.len()).position(|part| part.eq_ignore_ascii_case(word.as_bytes()))?;
    sql.get(at + word.len()..)
}

/// Whether the text may set the isolation level, which a reset keeps (MS-TDS 2.2.3.1.2).
fn sets_isolation(mut sql: &str) -> bool {
    while let Some(rest) = after(sql, "isolation") {
        let next = rest.trim_start();
        // Or a comment before that.
        if next.len() < rest.len() && after(next, "level").is_some_and(|level| level.len() + 5 == next.len())
            || next.starts_with("/*")
            || next.starts_with("--")
        {
            return true;
        }
        sql = rest;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_worn_by(sql: &str) -> bool {
        let worst = Worst::default();
        worst.statement(sql);
        worst.so_far() == Wear::Worn
    }

    #[test]
    fn text_wears_a_connection_if_it_may_do_what_a_reset_does_not_undo() {
        for worn in [
            "set transaction isolation level serializable",
            "SET TRANSACTION ISOLATION\n\tLEVEL SNAPSHOT",
            "SELECT isolation FROM ward; SET TRANSACTION ISOLATION LEVEL SNAPSHOT",
            "SET TRANSACTION ISOLATION/**/LEVEL SNAPSHOT",
            "SET TRANSACTION ISOLATION --x\nLEVEL SNAPSHOT",
            "EXEC SP_GetAppLock @Resource = 'it'",
            "EXEC sys.[sp_set_session_context] 'a', 'b'",
            "EXEC sp_setapprole 'a', 'b'",
        ] {
            assert!(is_worn_by(worn), "{worn}");
        }
        for not in [
            "SELECT isolation, level FROM ward",
            "SELECT isolation_level FROM ward",
            "SELECT isolation",
            "SELECT isolation FROM ward WHERE level = 1",
            "SELECT SESSION_CONTEXT(N'a')",
            "Ünïcödé isolatioñ",
        ] {
            assert!(!is_worn_by(not), "{not}");
        }
    }
}
