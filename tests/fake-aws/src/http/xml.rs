//! Writes the small XML documents of the Query protocol.

use std::fmt::Display;

use quick_xml::escape::escape;

/// A piece of XML.
#[derive(Clone, Debug, Default)]
pub(super) struct Xml(String);

impl Xml {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// `<name>value</name>`, escaped.
    pub(super) fn leaf(&mut self, name: &str, value: impl Display) -> &mut Self {
        let value = value.to_string();
        self.open(name);
        self.0.push_str(&escape(&value));
        self.close(name)
    }

    /// As [`Self::leaf`], if there is a value.
    pub(super) fn maybe(&mut self, name: &str, value: Option<impl Display>) -> &mut Self {
        match value {
            Some(value) => self.leaf(name, value),
            None => self,
        }
    }

    /// `<name>…</name>`.
    pub(super) fn tree(&mut self, name: &str, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.open(name);
        fill(self);
        self.close(name)
    }

    /// `<list><item>…</item>…</list>`.
    pub(super) fn list<T>(
        &mut self,
        list: &str,
        item: &str,
        things: impl IntoIterator<Item = T>,
        fill: impl Fn(&mut Self, T),
    ) -> &mut Self {
        self.tree(list, |xml| {
            for thing in things {
                xml.tree(item, |xml| fill(xml, thing));
            }
        })
    }

    /// `<list><item>text</item>…</list>`.
    pub(super) fn texts<T: Display>(
        &mut self,
        list: &str,
        item: &str,
        texts: impl IntoIterator<Item = T>,
    ) -> &mut Self {
        self.tree(list, |xml| {
            for text in texts {
                xml.leaf(item, text);
            }
        })
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }

    fn open(&mut self, name: &str) {
        self.0.push('<');
        self.0.push_str(name);
        self.0.push('>');
    }

    fn close(&mut self, name: &str) -> &mut Self {
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_lists_nest() {
        let mut xml = Xml::new();
        xml.leaf("a", "<&\"'>").maybe("none", None::<&str>);
        xml.list("l", "i", [1, 2], |xml, n| {
            xml.leaf("n", n);
        });
        assert_eq!(
            xml.into_string(),
            "<a>&lt;&amp;&quot;&apos;&gt;</a><l><i><n>1</n></i><i><n>2</n></i></l>"
        );
    }
}
