//! Executions as lines of a file, for whoever wants them later.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use store::{ExecutionRow, TimelineRow};

/// The file inside the directory.
const FILE_NAME: &str = "executions.jsonl";

/// A file that only grows. It is opened anew for each batch, so that it may be moved away.
#[derive(Debug)]
pub(super) struct Archive {
    directory: PathBuf,
}

/// The archive could not be written.
#[derive(Debug, thiserror::Error)]
#[error("could not append to `{}`; check the path, its owner and the disk", at.display())]
pub(super) struct ArchiveError {
    at: PathBuf,
    #[source]
    cause: io::Error,
}

impl Archive {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Appends lines; returns when they are on the disk. After an error some of them may be there, and
    /// they come again.
    pub(super) async fn append(&self, lines: Vec<String>) -> Result<(), ArchiveError> {
        if lines.is_empty() {
            return Ok(());
        }
        let directory = self.directory.clone();
        let written = tokio::task::spawn_blocking(move || append(&directory, &lines)).await;
        written
            .map_err(io::Error::other)
            .and_then(|written| written)
            .map_err(|cause| ArchiveError { at: self.directory.join(FILE_NAME), cause })
    }
}

fn append(directory: &Path, lines: &[String]) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let at = directory.join(FILE_NAME);
    let known = at.try_exists()?;
    let mut file = OpenOptions::new().create(true).append(true).read(true).open(at)?;
    // A crash in the middle of a line must not spoil the next one.
    let mut text = if ends_whole(&mut file)? { String::new() } else { "\n".to_owned() };
    text.extend(lines.iter().flat_map(|line| [line.as_str(), "\n"]));
    // One write, so that lines of several coordinators do not run into each other.
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    if !known {
        // The file's own name must survive a power cut, too.
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

/// True for a file without a torn last line.
fn ends_whole(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// An execution with its history, as one line. Whether it is there already is not looked at: a reader
/// tells lines of one execution by its id.
pub(super) fn line(row: &ExecutionRow, timeline: &[TimelineRow]) -> String {
    let event = |row: &TimelineRow| json!({ "version": row.version, "atMs": row.at_ms, "event": body(&row.body) });
    let timeline: Vec<Value> = timeline.iter().map(event).collect();
    json!({
        "id": row.id,
        "application": row.application,
        "pipelineConfigId": row.pipeline_id,
        "status": row.status,
        "version": row.version,
        "createdMs": row.created_ms,
        "view": body(&row.view),
        "timeline": timeline,
    })
    .to_string()
}

/// JSON as it is; what is no JSON, as text.
fn body(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use model::ExecutionStatus;

    use super::*;

    #[test]
    fn lines_are_appended_and_a_torn_one_spoils_only_itself() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("a/b");
        let lines =
            |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        append(&deep, &lines(&["one", "two"])).unwrap();
        append(&deep, &lines(&["three"])).unwrap();
        let file = deep.join(FILE_NAME);
        assert_eq!(fs::read_to_string(&file).unwrap(), "one\ntwo\nthree\n");
        fs::write(&file, "one\ntw").unwrap();
        append(&deep, &lines(&["two"])).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "one\ntw\ntwo\n");
    }

    #[test]
    fn line_holds_view_and_history_and_no_line_break() {
        let row = ExecutionRow {
            id: "E".parse().unwrap(),
            application: "shop".to_owned(),
            pipeline_id: "p1".to_owned(),
            status: ExecutionStatus::Succeeded,
            version: 2,
            created_ms: 7,
            view: "{\n \"name\": \"a\\nb\"\n}".to_owned(),
        };
        let history =
            |version, at_ms, body: &str| TimelineRow { version, at_ms, body: body.to_owned() };
        let timeline = [history(1, 7, r#"{"event":"started"}"#), history(2, 9, "torn {")];
        let written = line(&row, &timeline);
        assert!(!written.contains('\n'), "{written}");
        let read: Value = serde_json::from_str(&written).unwrap();
        let wanted = json!({
            "id": "E", "application": "shop", "pipelineConfigId": "p1", "status": "SUCCEEDED",
            "version": 2, "createdMs": 7, "view": { "name": "a\nb" },
            "timeline": [
                { "version": 1, "atMs": 7, "event": { "event": "started" } },
                { "version": 2, "atMs": 9, "event": "torn {" },
            ],
        });
        assert_eq!(read, wanted);
    }
}
