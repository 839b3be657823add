//! What the handlers of requests share.

use std::collections::BTreeMap;

use runtime::WebhookTokens;
use store::SharedStore;

use crate::{Config, access::Tokens, jenkins::DoneAt};

/// The store, the tokens and the settings of one gateway.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) store: SharedStore,
    pub(crate) api_tokens: Option<Tokens>,
    pub(crate) sources: BTreeMap<String, Source>,
    pub(crate) stranger: Tokens,
    pub(crate) done_at: DoneAt,
}

/// A Jenkins controller as a sender of webhooks.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) url: String,
    pub(crate) tokens: Tokens,
}

impl Gateway {
    pub(crate) fn new(config: Config, store: SharedStore) -> Self {
        let source = |(name, controller): (String, runtime::JenkinsController)| {
            let tokens = controller.webhook_token.as_ref().map(WebhookTokens::all);
            let tokens = tokens.map_or_else(Tokens::nobody, Tokens::new);
            (name, Source { url: controller.url, tokens })
        };
        let api_token = config.gateway.api_token.as_ref();
        Self {
            store,
            api_tokens: api_token.map(|token| Tokens::new(std::slice::from_ref(token))),
            sources: config.jenkins.controllers.into_iter().map(source).collect(),
            stranger: Tokens::nobody(),
            done_at: config.gateway.build_done_at,
        }
    }
}
