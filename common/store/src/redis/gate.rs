//! What a server must be before we trust it: durable, and with our Functions in our version.

use ::redis::{Cmd, RedisError, Value, cmd};

use super::{Durability, FORMAT, Fault, decode, functions_text, line::Line};
use crate::{StoreError, rules};

/// What the store was doing while it compared Functions, in errors.
const LOOKED: &str = "looked for its Functions";
/// What the store was doing while it looked at the form of its data, in errors.
const FORM: &str = "looked at the form of its data";
/// What each setting must be, and why.
const SETTINGS: [(&str, &str, &str); 3] = [
    (
        "appendonly",
        "yes",
        "without the append-only file a restart forgets everything since the last snapshot",
    ),
    ("appendfsync", "always", "otherwise a power cut takes back writes which were acknowledged"),
    ("maxmemory-policy", "noeviction", "otherwise a full server deletes executions to make room"),
];

/// Refuses a server that could lose an acknowledged write.
pub(super) async fn check_durability(
    line: &Line,
    durability: Durability,
) -> Result<(), StoreError> {
    match durability {
        Durability::Checked => {}
        Durability::Unchecked => {
            tracing::warn!(
                "the durability of Redis is NOT checked: acknowledged work may be lost in a crash"
            );
            return Ok(());
        }
    }
    for (setting, wanted, reason) in SETTINGS {
        let found = match line.ask(cmd("CONFIG").arg("GET").arg(setting)).await {
            Ok(reply) => decode::setting(reply).unwrap_or_default(),
            Err(Fault::Redis(cause)) if is_forbidden(&cause) => return Err(unreadable_settings()),
            Err(fault) => return Err(fault.while_it("read the settings of Redis")),
        };
        if found != wanted {
            return Err(StoreError::Unfit {
                detail: format!(
                    "Redis has `{setting} {found}`, and `{setting} {wanted}` is needed: {reason}. \
                     Set it (`redis-cli CONFIG SET {setting} {wanted}`, then `CONFIG REWRITE`), or \
                     add `?durability=unchecked` to the url to run without that safety"
                ),
            });
        }
    }
    Ok(())
}

fn unreadable_settings() -> StoreError {
    StoreError::Unfit {
        detail: "this user may not read the settings of Redis, so its durability cannot be \
                 checked: allow it with `ACL SETUSER <user> +config|get`, or add \
                 `?durability=unchecked` to the url to run without the check"
            .to_owned(),
    }
}

/// Refuses a server without our Functions or with other ones; loads nothing.
pub(super) async fn compare_functions(line: &Line) -> Result<(), StoreError> {
    match line.ask(&function_about()).await {
        Ok(found) => same_functions(found),
        Err(Fault::Redis(cause)) if is_missing_function(&cause) => Err(StoreError::Unfit {
            detail: "the server has no Functions of ours: no store of Bowline is there, or the \
                     server was flushed"
                .to_owned(),
        }),
        Err(fault) => Err(fault.while_it(LOOKED)),
    }
}

/// Loads our Functions where they are missing, refuses other ones of the same version.
pub(super) async fn check_functions(line: &Line) -> Result<(), StoreError> {
    let about = function_about();
    let found = match line.ask(&about).await {
        Ok(found) => found,
        Err(Fault::Redis(cause)) if is_missing_function(&cause) => {
            load(line, &functions_text()).await?;
            line.ask(&about).await.map_err(|fault| fault.while_it(LOOKED))?
        }
        Err(Fault::Redis(cause)) if is_unknown_command(&cause) => {
            return Err(StoreError::Unfit {
                detail: "the server has no Functions: Redis 7.0 or newer is needed".to_owned(),
            });
        }
        Err(fault) => return Err(fault.while_it(LOOKED)),
    };
    same_functions(found)
}

fn same_functions(found: Value) -> Result<(), StoreError> {
    let found =
        decode::text(found).map_err(|detail| StoreError::Unreadable { doing: LOOKED, detail })?;
    if functions_text().contains(&format!("'{found}'")) {
        return Ok(());
    }
    Err(StoreError::Unfit {
        detail: format!(
            "the server has other Functions under the name bowline_v4 (theirs {found}): another \
             build of this program runs on it. Run the same build everywhere, or stop all of them \
             and `redis-cli FUNCTION DELETE bowline_v4`"
        ),
    })
}

/// Refuses data in another form than ours.
pub(super) async fn check_format(line: &Line, prefix: &str) -> Result<(), StoreError> {
    let mut format = cmd("FCALL");
    format.arg("bowline_v4_format").arg(1).arg(prefix);
    let found = line.ask(&format).await.map_err(|fault| fault.while_it(FORM))?;
    let found =
        decode::text(found).map_err(|detail| StoreError::Unreadable { doing: FORM, detail })?;
    same_format(&found)
}

/// Refuses data in another form than ours; no Function is called.
pub(super) async fn compare_format(line: &Line, prefix: &str) -> Result<(), StoreError> {
    let ask = async |command: &str, key: &str| {
        let reply = line.ask(cmd(command).arg(format!("{prefix}{key}"))).await;
        reply.map_err(|fault| fault.while_it(FORM))
    };
    let found = ask("GET", "format").await?;
    if found == Value::Nil {
        let written = ask("EXISTS", "history").await? == Value::Int(1);
        return same_format(if written { "?" } else { "" });
    }
    same_format(&decode::text(found).unwrap_or_default())
}

fn same_format(found: &str) -> Result<(), StoreError> {
    if found.is_empty() || found == FORMAT {
        return Ok(());
    }
    let found = if found == "?" { "an older form" } else { found };
    Err(StoreError::Unfit { detail: rules::other_format("server", found, FORMAT) })
}

async fn load(line: &Line, text: &str) -> Result<(), StoreError> {
    match line.ask(cmd("FUNCTION").arg("LOAD").arg(text)).await {
        Ok(_) => Ok(()),
        // Another process was a moment faster; what it loaded is compared next.
        Err(Fault::Redis(cause)) if says(&cause, "already exists") => Ok(()),
        Err(Fault::Redis(cause)) if is_forbidden(&cause) => Err(StoreError::Unfit {
            detail: "the Functions are not loaded, and this user may not load them: start once \
                     with a user that has `+function`"
                .to_owned(),
        }),
        Err(fault) => Err(fault.while_it("loaded its Functions")),
    }
}

fn function_about() -> Cmd {
    let mut about = cmd("FCALL");
    about.arg("bowline_v4_about").arg(0);
    about
}

fn says(cause: &RedisError, words: &str) -> bool {
    cause.to_string().contains(words)
}

/// True when the server has no function of that name.
pub(super) fn is_missing_function(cause: &RedisError) -> bool {
    says(cause, "Function not found")
}

fn is_forbidden(cause: &RedisError) -> bool {
    cause.code() == Some("NOPERM")
}

fn is_unknown_command(cause: &RedisError) -> bool {
    says(cause, "unknown command")
}
