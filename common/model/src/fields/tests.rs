use serde_json::json;

use super::*;

fn codes(
    value: &Value,
    read: impl FnOnce(&mut Fields<'_, '_>),
) -> Vec<(Weight, &'static str, String)> {
    let mut found = Findings::default();
    read(&mut Fields::new("/at".to_owned(), value.as_object().unwrap(), &mut found));
    found.into_list().into_iter().map(|p| (p.weight, p.code, p.pointer)).collect()
}

#[test]
fn numbers_and_flags_are_read_as_people_write_them() {
    let value = json!({"a": 3, "b": "4", "c": 5.0, "d": "true", "e": false, "f": "", "g": null,
        "h": " 6.00 "});
    let told = codes(&value, |fields| {
        assert_eq!(fields.number("a", 10), Some(3));
        assert_eq!(fields.number("b", 10), Some(4));
        assert_eq!(fields.number("c", 10), Some(5));
        assert_eq!(fields.flag("d"), Some(true));
        assert_eq!(fields.flag("e"), Some(false));
        assert_eq!(fields.flag("f"), None);
        assert_eq!(fields.number("g", 10), None);
        assert_eq!(fields.number("h", 10), Some(6));
    });
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn what_does_not_fit_is_told_where_it_stands() {
    let value =
        json!({"a": -1, "b": 2.5, "c": "yes", "d": [1], "e": "${n}", "f": "{{ n }}", "g": 99});
    let told = codes(&value, |fields| {
        assert_eq!(fields.number("a", 10), None);
        assert_eq!(fields.number("b", 10), None);
        assert_eq!(fields.flag("c"), None);
        assert_eq!(fields.text("d"), None);
        assert_eq!(fields.number("e", 10), None);
        assert_eq!(fields.flag("f"), None);
        assert_eq!(fields.number("g", 10), None);
    });
    let expected = [
        (Weight::Error, "out-of-range", "/at/a".to_owned()),
        (Weight::Error, "wrong-type", "/at/b".to_owned()),
        (Weight::Error, "wrong-type", "/at/c".to_owned()),
        (Weight::Error, "wrong-type", "/at/d".to_owned()),
        (Weight::Later, "expression", "/at/e".to_owned()),
        (Weight::Blocks, "placeholder", "/at/f".to_owned()),
        (Weight::Error, "out-of-range", "/at/g".to_owned()),
    ];
    assert_eq!(told, expected);
}

#[test]
fn placeholders_are_known_from_plain_text() {
    for text in ["{{ app }}", "{% if x %}", "#regions('test')", "shop-#application('test')"] {
        assert_eq!(unresolved(text), Some(Unresolved::Placeholder), "{text}");
    }
    assert_eq!(unresolved("x ${ y }"), Some(Unresolved::Expression));
    for text in ["shop", "#1", "# comment (really)", "a # b", "$HOME", "{x}"] {
        assert_eq!(unresolved(text), None, "{text}");
    }
}
