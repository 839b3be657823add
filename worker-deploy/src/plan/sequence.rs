//! The number of the next server group of a cluster.

use std::collections::BTreeSet;

use model::moniker::{Moniker, ServerGroupName};

use crate::ports::ServerGroup;

/// Numbers are reused after so many.
const NUMBERS: u32 = 1_000;

/// All numbers of a cluster are in use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("all {NUMBERS} numbers of cluster `{cluster}` are in use")]
pub(crate) struct NoFreeNumber {
    cluster: String,
}

/// The next name: the newest group's number plus one, without those in use or `refused`.
///
/// Source: Frigga and clouddriver: newest *by creation time*, modulo 1000, the first is `v000`.
pub(crate) fn next_name(
    moniker: &Moniker,
    cluster: &[ServerGroup],
    refused: &BTreeSet<u32>,
) -> Result<ServerGroupName, NoFreeNumber> {
    let numbered = || {
        let mine = |group: &ServerGroup| {
            let name: ServerGroupName = group.name.parse().ok()?;
            (name.moniker == *moniker).then_some((group.created_ms, name.sequence))
        };
        cluster.iter().filter_map(mine)
    };
    let unnumbered = cluster.iter().any(|group| group.name == moniker.cluster());
    let newest = numbered().max().map(|(_, number)| number);
    let first = match newest {
        Some(number) => (number + 1) % NUMBERS,
        None if unnumbered => 1,
        None => 0,
    };
    let taken: BTreeSet<u32> = numbered().map(|(_, number)| number).collect();
    (0..NUMBERS)
        .map(|step| (first + step) % NUMBERS)
        .find(|number| !taken.contains(number) && !refused.contains(number))
        .map(|number| ServerGroupName::new(moniker.clone(), number))
        .ok_or_else(|| NoFreeNumber { cluster: moniker.cluster() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::group;

    #[test]
    fn the_newest_by_time_counts_and_taken_numbers_are_skipped() {
        let moniker: Moniker = "shop-staging-web".parse().unwrap();
        for (groups, refused, expected) in [
            (&[][..], &[][..], "shop-staging-web-v000"),
            (&[("shop-staging-web-v004", 10)], &[], "shop-staging-web-v005"),
            // v004 was created last, although v009 is a higher number; v005 is in use.
            (
                &[
                    ("shop-staging-web-v009", 5),
                    ("shop-staging-web-v004", 10),
                    ("shop-staging-web-v005", 3),
                ],
                &[],
                "shop-staging-web-v006",
            ),
            (&[("shop-staging-web-v999", 10)], &[], "shop-staging-web-v000"),
            (
                &[("shop-staging-web-v999", 10), ("shop-staging-web-v000", 1)],
                &[],
                "shop-staging-web-v001",
            ),
            (&[("shop-staging-web", 10)], &[], "shop-staging-web-v001"),
            (&[("shop-staging-web-v004", 10)], &[5, 6], "shop-staging-web-v007"),
            // Another cluster's numbers do not matter.
            (&[("shop-staging-v020", 10)], &[], "shop-staging-web-v000"),
        ] {
            let groups: Vec<_> = groups.iter().map(|(name, at)| group(name, *at)).collect();
            let refused = refused.iter().copied().collect();
            assert_eq!(next_name(&moniker, &groups, &refused).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn a_full_cluster_is_an_error() {
        let moniker: Moniker = "shop".parse().unwrap();
        let groups: Vec<_> =
            (0..1_000_u32).map(|n| group(&format!("shop-v{n:03}"), u64::from(n))).collect();
        assert!(next_name(&moniker, &groups, &BTreeSet::new()).is_err());
    }
}
