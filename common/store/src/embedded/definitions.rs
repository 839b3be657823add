//! Definitions, their names, and the index by which signals find them.

use std::collections::BTreeSet;

use redb::{ReadTransaction, ReadableTable};

use super::{
    intake, slots,
    tables::{self, Fault, PipelineRecord, Tables},
};
use crate::{DefinitionIndex, PipelineMark, PipelinePut, PipelineRow, PipelineWritten, rules};

pub(super) fn pipeline_put(
    tables: &mut Tables<'_>,
    put: &PipelinePut,
) -> Result<PipelineWritten, Fault> {
    let stored: Option<PipelineRecord> = tables::row(&tables.pipelines, &put.id)?;
    let version = stored.as_ref().map_or(0, |stored| stored.row.version);
    if let Some(PipelineRecord { row, .. }) = &stored
        && row.application == put.application
        && row.name == put.name
        && row.body == put.body
        && put.expected_version.is_none_or(|expected| expected.saturating_add(1) == version)
    {
        // The repeat of a call whose reply was lost.
        let written = PipelineWritten::Saved { version, updated_ms: row.updated_ms };
        index(tables, &PipelineMark::of(row), &put.index)?;
        plan(tables, put)?;
        return Ok(written);
    }
    if put.expected_version.is_some_and(|expected| expected != version) {
        return Ok(PipelineWritten::Stale { version });
    }
    let name = (put.application.as_str(), put.name.as_str());
    if let Some(other) = tables.pipeline_names.get(name)?
        && other.value() != put.id
    {
        return Ok(PipelineWritten::NameTaken { id: other.value().to_owned() });
    }
    if let Some(stored) = stored {
        tables
            .pipeline_names
            .remove((stored.row.application.as_str(), stored.row.name.as_str()))?;
        forget_index(tables, &put.id, &stored.index)?;
    }
    let row = PipelineRow {
        id: put.id.clone(),
        application: put.application.clone(),
        name: put.name.clone(),
        body: put.body.clone(),
        version: version.saturating_add(1),
        updated_ms: tables.now_ms,
    };
    let written = PipelineWritten::Saved { version: row.version, updated_ms: row.updated_ms };
    tables.pipeline_names.insert(name, put.id.as_str())?;
    write_index(tables, &PipelineRecord { row, index: put.index.clone() })?;
    slots::wake_waiters(tables, &put.id)?;
    tables.rings = true;
    plan(tables, put)?;
    Ok(written)
}

fn plan(tables: &mut Tables<'_>, put: &PipelinePut) -> Result<(), Fault> {
    for event in &put.events {
        intake::event_accept(tables, event)?;
    }
    Ok(())
}

/// Writes a definition with the entries of its index.
fn write_index(tables: &mut Tables<'_>, record: &PipelineRecord) -> Result<(), Fault> {
    let id = record.row.id.as_str();
    for key in &record.index.keys {
        tables.pipeline_keys.insert((key.as_str(), id), ())?;
    }
    tables.pipeline_indexed.insert((u64::from(record.index.version), id), ())?;
    tables::put(&mut tables.pipelines, id, record)
}

fn forget_index(tables: &mut Tables<'_>, id: &str, index: &DefinitionIndex) -> Result<(), Fault> {
    for key in &index.keys {
        tables.pipeline_keys.remove((key.as_str(), id))?;
    }
    tables.pipeline_indexed.remove((u64::from(index.version), id))?;
    Ok(())
}

pub(super) fn index(
    tables: &mut Tables<'_>,
    mark: &PipelineMark,
    index: &DefinitionIndex,
) -> Result<bool, Fault> {
    let stored: Option<PipelineRecord> = tables::row(&tables.pipelines, &mark.id)?;
    let Some(stored) = stored.filter(|stored| PipelineMark::of(&stored.row) == *mark) else {
        return Ok(false);
    };
    if stored.index != *index {
        forget_index(tables, &mark.id, &stored.index)?;
        write_index(tables, &PipelineRecord { index: index.clone(), ..stored })?;
    }
    Ok(true)
}

/// Whether a definition is indexed under any of these keys.
pub(super) fn any_keyed(tables: &Tables<'_>, keys: &[String]) -> Result<bool, Fault> {
    for key in keys {
        if ids_of(&tables.pipeline_keys, key)?.next().is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The ids of the definitions that are indexed under a key.
fn ids_of<'a>(
    table: &'a impl ReadableTable<(&'static str, &'static str), ()>,
    key: &'a str,
) -> Result<impl Iterator<Item = Result<String, Fault>> + 'a, Fault> {
    let entries = table.range((key, "")..=(key, "\u{10FFFF}"))?;
    Ok(entries.map(|entry| Ok(entry?.0.value().1.to_owned())))
}

pub(super) fn keyed(
    transaction: &ReadTransaction,
    keys: &[String],
) -> Result<Vec<PipelineMark>, Fault> {
    let pipelines = transaction.open_table(tables::PIPELINES)?;
    let table = transaction.open_table(tables::PIPELINE_KEYS)?;
    let mut ids = BTreeSet::new();
    for key in keys {
        for id in ids_of(&table, key)? {
            ids.insert(id?);
        }
    }
    let mut marks = Vec::new();
    for id in ids {
        let record: Option<MarkRecord> = tables::row(&pipelines, &id)?;
        marks.extend(record.map(|MarkRecord { row }| PipelineMark {
            id,
            version: row.version,
            updated_ms: row.updated_ms,
        }));
    }
    Ok(marks)
}

/// What a mark needs of a record: the rest is not read into memory.
#[derive(serde::Deserialize)]
struct MarkRecord {
    row: MarkRow,
}

#[derive(serde::Deserialize)]
struct MarkRow {
    version: u64,
    updated_ms: u64,
}

pub(super) fn indexed_otherwise(
    transaction: &ReadTransaction,
    version: u32,
    limit: u32,
) -> Result<Vec<PipelineRow>, Fault> {
    let pipelines = transaction.open_table(tables::PIPELINES)?;
    let table = transaction.open_table(tables::PIPELINE_INDEXED)?;
    let version = u64::from(version);
    let older = table.range(..(version, ""))?;
    let newer = table.range((version.saturating_add(1), "")..)?;
    let mut rows = Vec::new();
    for entry in older.chain(newer).take(rules::list_limit(limit)) {
        let (key, _) = entry?;
        let record: Option<PipelineRecord> = tables::row(&pipelines, key.value().1)?;
        rows.extend(record.map(|record| record.row));
    }
    Ok(rows)
}

pub(super) fn pipeline_delete(tables: &mut Tables<'_>, id: &str) -> Result<bool, Fault> {
    let Some(PipelineRecord { row, index }) = tables::row(&tables.pipelines, id)? else {
        return Ok(false);
    };
    tables.pipelines.remove(id)?;
    forget_index(tables, id, &index)?;
    tables.pipeline_names.remove((row.application.as_str(), row.name.as_str()))?;
    slots::wake_waiters(tables, id)?;
    tables.rings = true;
    Ok(true)
}

pub(super) fn pipeline_get(
    transaction: &ReadTransaction,
    id: &str,
) -> Result<Option<PipelineRow>, Fault> {
    let record: Option<PipelineRecord> =
        tables::row(&transaction.open_table(tables::PIPELINES)?, id)?;
    Ok(record.map(|record| record.row))
}

pub(super) fn pipeline_list(
    transaction: &ReadTransaction,
    application: Option<&str>,
) -> Result<Vec<PipelineRow>, Fault> {
    let pipelines = transaction.open_table(tables::PIPELINES)?;
    let names = transaction.open_table(tables::PIPELINE_NAMES)?;
    let mut rows: Vec<PipelineRow> = Vec::new();
    for entry in names.range((application.unwrap_or_default(), "")..)? {
        let (key, id) = entry?;
        if application.is_some_and(|application| key.value().0 != application) {
            break;
        }
        let record: Option<PipelineRecord> = tables::row(&pipelines, id.value())?;
        rows.extend(record.map(|record| record.row));
    }
    rules::pipeline_order(&mut rows);
    Ok(rows)
}
