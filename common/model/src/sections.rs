//! The sections of the settings file.

use crate::Pool;

/// Every section there is, whichever program reads it: each pool of workers has one under its name.
pub fn sections() -> Vec<&'static str> {
    let mut all = vec!["gateway", "store", "bus", "jenkins", "aws"];
    all.extend(Pool::ALL.map(Pool::as_str));
    all.extend(["coordinator", "retention", "worker", "log"]);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pool_has_a_section_and_no_name_stands_for_two() {
        let all = sections();
        assert_eq!(all[..7], ["gateway", "store", "bus", "jenkins", "aws", "bake", "deploy"]);
        for (at, name) in all.iter().enumerate() {
            assert_eq!(all.iter().position(|other| other == name), Some(at), "{name}");
        }
    }
}
