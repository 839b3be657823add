//! `bowline execution …`.

use model::ExecutionStatus;
use wire::ExecutionView;

use crate::{
    CommandError,
    args::{Execution, Format},
    display::Display,
    exit::Exit,
    output, progress,
    server::{Server, Told},
    span, watch,
};

/// Runs one of the execution commands.
pub(crate) async fn run(
    command: Execution,
    server: &Server,
    format: Format,
) -> Result<Exit, CommandError> {
    match command {
        Execution::List { application, statuses, limit } => {
            list(server, &application, &statuses, limit, format).await
        }
        Execution::Get { id } => {
            let view = server.execution(&id).await?;
            match format {
                Format::Json | Format::Yaml => output::data(&view, format),
                Format::Table => show(&view),
            }
            Ok(Exit::Succeeded)
        }
        Execution::Watch { id, timeout } => {
            let waited = watch::wait(server, &id, timeout, &mut Display::for_people()).await?;
            if let (watch::Waited::Over(view), Format::Json | Format::Yaml) = (&waited, format) {
                output::data(view, format);
            }
            Ok(watch::conclude(&id, &waited))
        }
        Execution::Cancel { target, reason } => {
            server.cancel(&target, reason.as_deref()).await?;
            output::note(&format!(
                "asked execution {} to stop; it ends as CANCELED when its stages have cleaned up",
                target.id
            ));
            Ok(Exit::Succeeded)
        }
        Execution::Pause { target } => Ok(told(&server.pause(&target).await?, format)),
        Execution::Resume { target } => Ok(told(&server.resume(&target).await?, format)),
        Execution::Restart { stage } => Ok(told(&server.restart(&stage).await?, format)),
        Execution::Judge { stage, decision, input } => {
            Ok(told(&server.judge(&stage, decision, input.as_deref()).await?, format))
        }
        Execution::Skip { stage, leave_out: true } => {
            Ok(told(&server.leave_out(&stage).await?, format))
        }
        Execution::Skip { stage, leave_out: false } => {
            Ok(told(&server.skip_wait(&stage).await?, format))
        }
        Execution::Delete { id } => {
            server.remove(&id).await?;
            output::note(&format!("deleted execution {id}"));
            Ok(Exit::Succeeded)
        }
    }
}

/// Tells how an execution stands after it was told something.
fn told(told: &Told, format: Format) -> Exit {
    match (told, format) {
        (Told::Now(view), Format::Json | Format::Yaml) => output::data(view, format),
        (Told::Now(view), Format::Table) => show(view),
        (Told::Accepted { event_id }, Format::Json | Format::Yaml | Format::Table) => {
            output::note(&format!(
                "accepted as event {event_id}, and not carried out yet: is a coordinator running?"
            ));
        }
    }
    Exit::Succeeded
}

async fn list(
    server: &Server,
    application: &str,
    statuses: &[ExecutionStatus],
    limit: u32,
    format: Format,
) -> Result<Exit, CommandError> {
    let views = server.executions(application, statuses, limit).await?;
    match format {
        Format::Json | Format::Yaml => output::data(&views, format),
        Format::Table => {
            let now = watch::now_ms();
            let rows: Vec<[String; 5]> = views.iter().map(|view| row(view, now)).collect();
            let such = if statuses.is_empty() { "" } else { "such " };
            let nothing = format!("there are no {such}executions in application `{application}`");
            output::table(["ID", "PIPELINE", "STATUS", "CREATED", "TOOK"], &rows, &nothing);
        }
    }
    Ok(Exit::Succeeded)
}

fn row(view: &ExecutionView, now_ms: u64) -> [String; 5] {
    let took = view
        .start_time
        .map(|start| span::show(view.end_time.unwrap_or(now_ms).saturating_sub(start)));
    [
        view.id.to_string(),
        view.name.clone(),
        view.status.to_string(),
        format!("{} ago", span::show(now_ms.saturating_sub(view.build_time))),
        took.unwrap_or_default(),
    ]
}

fn show(view: &ExecutionView) {
    output::line(&format!("{} of {}", view.name, view.application));
    output::line(&progress::summary(view));
    let lines = progress::lines(view, watch::now_ms());
    let rows: Vec<[String; 4]> = lines
        .into_iter()
        .map(|line| [line.label, line.status.to_string(), line.elapsed, line.remark])
        .collect();
    output::table(["STAGE", "STATUS", "TOOK", "REMARK"], &rows, "it has no stages");
    for failure in progress::failures(view) {
        output::line(&failure);
    }
}
