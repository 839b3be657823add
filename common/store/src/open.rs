//! From a url in a configuration to a store.

use std::{path::Path, sync::Arc};

use crate::{Durability, EmbeddedStore, RedisStore, SharedStore, StoreError, system_clock};

/// Opens the store that a url names.
///
/// - `redis://[user:password@]host[:port][/db]`: a Redis server. `?world=NAME` sets apart several
///   stores on one server; `?durability=unchecked` takes a server that may lose acknowledged work.
/// - `embedded:DIRECTORY`: a file in a directory of this machine, both created when missing.
/// - `memory:`: an empty store that ends with its last handle.
///
/// # Errors
///
/// [`StoreError::Unavailable`] when it is not there now (trying again may help),
/// [`StoreError::Unfit`] when somebody must mend something first.
pub async fn open(url: &str) -> Result<SharedStore, StoreError> {
    if let Some(directory) = url.strip_prefix("embedded:") {
        if directory.is_empty() {
            return Err(unfit(
                "`embedded:` needs a directory after it: `embedded:/var/lib/bowline`",
            ));
        }
        let directory = directory.to_owned();
        let opened = tokio::task::spawn_blocking(move || {
            EmbeddedStore::open(Path::new(&directory), system_clock())
        });
        let store = opened.await.map_err(|cause| StoreError::Unavailable {
            doing: "opened the data file",
            cause: Box::new(cause),
        })??;
        return Ok(Arc::new(store));
    }
    if url == "memory:" {
        return Ok(Arc::new(EmbeddedStore::in_memory(system_clock())?));
    }
    if url.starts_with("redis://") || url.starts_with("rediss://") {
        let (server, options) = options(url)?;
        let store = RedisStore::connect(&server, &options.world, options.durability).await?;
        return Ok(Arc::new(store));
    }
    Err(unfit(
        "the store's url must begin with `redis://`, `embedded:` or `memory:`; the given one does not",
    ))
}

fn unfit(detail: &str) -> StoreError {
    StoreError::Unfit { detail: detail.to_owned() }
}

/// What we read from the query of a url.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) world: String,
    pub(crate) durability: Durability,
}

/// Takes our own options out of a url; the rest of the query is for the `redis` crate.
pub(crate) fn options(url: &str) -> Result<(String, Options), StoreError> {
    let mut options = Options { world: String::new(), durability: Durability::Checked };
    let Some((server, query)) = url.split_once('?') else {
        return Ok((url.to_owned(), options));
    };
    let mut rest = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("world", world)) => {
                let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
                if world.is_empty() || !world.chars().all(plain) {
                    return Err(unfit(
                        "`world` in the store's url takes letters, digits, `-` and `_`",
                    ));
                }
                world.clone_into(&mut options.world);
            }
            Some(("durability", "unchecked")) => options.durability = Durability::Unchecked,
            Some(("durability", _)) => {
                return Err(unfit("`durability` in the store's url takes only `unchecked`"));
            }
            Some(_) | None => rest.push(pair),
        }
    }
    let server =
        if rest.is_empty() { server.to_owned() } else { format!("{server}?{}", rest.join("&")) };
    Ok((server, options))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_options_are_taken_out_of_the_url_and_others_stay() {
        let (server, found) =
            options("redis://h:1/0?world=a-1&protocol=resp3&durability=unchecked").unwrap();
        assert_eq!(server, "redis://h:1/0?protocol=resp3");
        let wanted = Options { world: "a-1".to_owned(), durability: Durability::Unchecked };
        assert_eq!(found, wanted);
        assert_eq!(options("redis://h:1").unwrap().0, "redis://h:1");
    }

    #[test]
    fn options_that_mean_nothing_are_refused() {
        assert!(options("redis://h?world=a:b").is_err());
        assert!(options("redis://h?durability=maybe").is_err());
    }
}
