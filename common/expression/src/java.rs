//! The classes an expression may name, and what `new` and their static methods give.
//!
//! Source: the type list of Spinnaker's `kork-expressions`. None of them is really there: each
//! method is written out here.

mod make;
mod statics;

pub(crate) use self::{make::make, statics::call};

/// A class that may be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Text,
    Integer,
    Long,
    Double,
    Byte,
    Boolean,
    Math,
    Date,
    Random,
    Uuid,
    SimpleDateFormat,
    LocalDate,
    LocalDateTime,
    DayOfWeek,
    Instant,
    ChronoUnit,
    TemporalAdjusters,
    UrlEncoder,
}

/// Every class with the package it is in; those of `java.lang` need no package.
const CLASSES: &[(&str, &str, Class)] = &[
    ("java.lang", "String", Class::Text),
    ("java.lang", "Integer", Class::Integer),
    ("java.lang", "Long", Class::Long),
    ("java.lang", "Double", Class::Double),
    ("java.lang", "Byte", Class::Byte),
    ("java.lang", "Boolean", Class::Boolean),
    ("java.lang", "Math", Class::Math),
    ("java.util", "Date", Class::Date),
    ("java.util", "Random", Class::Random),
    ("java.util", "UUID", Class::Uuid),
    ("java.text", "SimpleDateFormat", Class::SimpleDateFormat),
    ("java.time", "LocalDate", Class::LocalDate),
    ("java.time", "LocalDateTime", Class::LocalDateTime),
    ("java.time", "DayOfWeek", Class::DayOfWeek),
    ("java.time", "Instant", Class::Instant),
    ("java.time.temporal", "ChronoUnit", Class::ChronoUnit),
    ("java.time.temporal", "TemporalAdjusters", Class::TemporalAdjusters),
    ("java.net", "URLEncoder", Class::UrlEncoder),
];

impl Class {
    /// The class of this name, or why it may not be named.
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        let (package, short) = name.rsplit_once('.').unwrap_or(("java.lang", name));
        let found = CLASSES.iter().find(|(_, known, _)| *known == short);
        match found {
            Some((home, _, class)) if *home == package => Ok(*class),
            Some((home, _, _)) => Err(format!(
                "the class `{}` is not allowed; `{home}.{short}` is",
                crate::fault::short(name)
            )),
            None => {
                let names = CLASSES.iter().map(|(_, known, _)| *known);
                let there = crate::fault::names_there(short, names);
                let name = crate::fault::short(name);
                Err(format!("the class `{name}` is not allowed; {there}"))
            }
        }
    }

    pub(crate) fn name(self) -> &'static str {
        let found = CLASSES.iter().find(|(_, _, class)| *class == self);
        found.map_or("", |(_, name, _)| *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_classes_can_be_named_and_only_with_their_package() {
        assert_eq!(Class::named("String"), Ok(Class::Text));
        assert_eq!(Class::named("java.lang.String"), Ok(Class::Text));
        assert_eq!(Class::named("java.util.UUID"), Ok(Class::Uuid));
        let nearly = Class::named("UUID").unwrap_err();
        assert!(nearly.contains("`java.util.UUID` is"), "{nearly}");
        for name in ["java.lang.Runtime", "java.lang.ProcessBuilder", "Class", "java.util.Arrays"] {
            assert!(Class::named(name).is_err(), "{name}");
        }
    }
}
