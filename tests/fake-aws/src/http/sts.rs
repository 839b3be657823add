//! STS, version 2011-06-15: taking on a role changes the account.

use super::{Answer, form::Form, unknown_action, xml::Xml};
use crate::{
    in_process::rfc3339,
    rules::Rule,
    world::{Caller, World, error::ApiError},
};

/// Keys handed out carry the account: nothing has to be remembered.
const KEY_PREFIX: &str = "ASIAFAKE";
const AN_HOUR_MS: u64 = 60 * 60 * 1_000;

/// The account a key was handed out for.
pub(super) fn account_of(key: &str) -> Option<String> {
    let account = key.strip_prefix(KEY_PREFIX)?;
    (account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())).then(|| account.to_owned())
}

pub(super) fn answer(action: &str, world: &mut World, caller: &Caller, form: &Form) -> Answer {
    match action {
        "AssumeRole" => assume_role(world, form),
        "GetCallerIdentity" => {
            form.finish()?;
            let account = &caller.site.account;
            let mut xml = Xml::new();
            xml.leaf("Arn", format!("arn:aws:iam::{account}:user/fake"))
                .leaf("UserId", &caller.actor)
                .leaf("Account", account);
            Ok(xml)
        }
        _ => Err(unknown_action(action)),
    }
}

fn assume_role(world: &World, form: &Form) -> Answer {
    let arn = form.required("RoleArn")?;
    let session = form.required("RoleSessionName")?;
    form.accept(&["DurationSeconds", "ExternalId", "Policy", "Tags."]);
    form.finish()?;
    let mut parts = arn.split(':').skip(4);
    let (Some(account), Some(role)) = (parts.next(), parts.next()) else {
        let text = format!("{arn} is invalid");
        return Err(ApiError::new(Rule::ParameterInvalid, text).into());
    };
    let key = format!("{KEY_PREFIX}{account}");
    if account_of(&key).is_none() {
        let text = format!("{arn} names no account");
        return Err(ApiError::new(Rule::ParameterInvalid, text).into());
    }
    let role = role.rsplit('/').next().unwrap_or_default();
    let mut xml = Xml::new();
    xml.tree("Credentials", |xml| {
        xml.leaf("AccessKeyId", &key)
            .leaf("SecretAccessKey", "fake-secret")
            .leaf("SessionToken", "fake-token")
            // The caller's clock is the wall's, whatever the world's says.
            .leaf("Expiration", wall_clock_in(AN_HOUR_MS, world));
    })
    .tree("AssumedRoleUser", |xml| {
        xml.leaf("AssumedRoleId", format!("AROAFAKE:{session}"))
            .leaf("Arn", format!("arn:aws:sts::{account}:assumed-role/{role}/{session}"));
    });
    Ok(xml)
}

fn wall_clock_in(later_ms: u64, world: &World) -> String {
    let now_ms = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .ok()
        .and_then(|passed| u64::try_from(passed.as_millis()).ok());
    rfc3339(now_ms.unwrap_or(world.now_ms()) + later_ms)
}
