//! The graph that stages make by naming the stages they require.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Stages and what they require, without cycles, every name known and used once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    ids: Vec<String>,
    places: BTreeMap<String, usize>,
    parents: Vec<Vec<usize>>,
    children: Vec<Vec<usize>>,
    order: Vec<usize>,
}

/// Why stages make no graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GraphProblem {
    /// Two stages have one name.
    DuplicateId {
        /// The later of the two, by its place in the list.
        stage: usize,
        /// The earlier one.
        first: usize,
    },
    /// A stage requires one that is not there.
    UnknownId {
        /// Which stage, by its place in the list.
        stage: usize,
        /// Which of its requirements.
        requirement: usize,
    },
    /// A stage requires itself.
    OnItself {
        /// Which stage, by its place in the list.
        stage: usize,
        /// Which of its requirements.
        requirement: usize,
    },
    /// Stages that wait for each other.
    Cycle {
        /// Their places in the list, each requiring the next, the last requiring the first.
        stages: Vec<usize>,
    },
}

/// Most cycles told at once: each is found by another pass over the graph.
const CYCLES_MAX: usize = 10;

impl Graph {
    /// Makes the graph of `(id, required ids)`, or tells everything that is in the way.
    pub fn build(nodes: &[(&str, &[String])]) -> Result<Self, Vec<GraphProblem>> {
        let mut problems = Vec::new();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for (stage, (id, _)) in nodes.iter().enumerate() {
            if let Some(first) = places.get(id) {
                problems.push(GraphProblem::DuplicateId { stage, first: *first });
            } else {
                places.insert(id, stage);
            }
        }
        let mut parents: Vec<Vec<usize>> = Vec::new();
        for (stage, (id, requires)) in nodes.iter().enumerate() {
            let mut mine = BTreeSet::new();
            for (requirement, required) in requires.iter().enumerate() {
                match places.get(required.as_str()) {
                    None => problems.push(GraphProblem::UnknownId { stage, requirement }),
                    Some(_) if required == id => {
                        problems.push(GraphProblem::OnItself { stage, requirement });
                    }
                    Some(parent) => {
                        mine.insert(*parent);
                    }
                }
            }
            parents.push(mine.into_iter().collect());
        }
        let order = sorted(&parents, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut children = vec![Vec::new(); parents.len()];
        for (stage, mine) in parents.iter().enumerate() {
            for parent in mine {
                if let Some(list) = children.get_mut(*parent) {
                    list.push(stage);
                }
            }
        }
        let places = places.into_iter().map(|(id, place)| (id.to_owned(), place)).collect();
        let ids = nodes.iter().map(|(id, _)| (*id).to_owned()).collect();
        Ok(Self { ids, places, parents, children, order })
    }

    /// Stages that require nothing: they start at once.
    pub fn roots(&self) -> Vec<&str> {
        let places = 0..self.ids.len();
        self.named(places.filter(|place| self.parents.get(*place).is_some_and(Vec::is_empty)))
    }

    /// Stages that require `id`, in the order of the definition.
    pub fn children(&self, id: &str) -> Vec<&str> {
        let list = self.places.get(id).and_then(|place| self.children.get(*place));
        self.named(list.into_iter().flatten().copied())
    }

    /// Every stage after all it requires; among equals the order of the definition.
    pub fn topological(&self) -> Vec<&str> {
        self.named(self.order.iter().copied())
    }

    /// Stages that `id` builds on, each once, nearest first; among equally near ones the order of
    /// the definition.
    pub fn ancestors(&self, id: &str) -> Vec<&str> {
        self.reachable(id, &self.parents)
    }

    /// Stages that build on `id`, each once, nearest first.
    pub fn descendants(&self, id: &str) -> Vec<&str> {
        self.reachable(id, &self.children)
    }

    fn reachable(&self, id: &str, edges: &[Vec<usize>]) -> Vec<&str> {
        let next = |place: usize| edges.get(place).into_iter().flatten().copied();
        let Some(start) = self.places.get(id) else {
            return Vec::new();
        };
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        let mut level: BTreeSet<usize> = next(*start).collect();
        while !level.is_empty() {
            seen.extend(level.iter().copied());
            found.extend(level.iter().copied());
            level =
                level.into_iter().flat_map(next).filter(|place| !seen.contains(place)).collect();
        }
        self.named(found.into_iter())
    }

    fn named(&self, places: impl Iterator<Item = usize>) -> Vec<&str> {
        places.filter_map(|place| self.ids.get(place)).map(String::as_str).collect()
    }
}

/// Parents before children. A cycle is told and then cut, so that independent ones are told too.
fn sorted(parents: &[Vec<usize>], problems: &mut Vec<GraphProblem>) -> Vec<usize> {
    let mut parents = parents.to_vec();
    for _ in 0..CYCLES_MAX {
        let order = kahn(&parents);
        if order.len() == parents.len() {
            return order;
        }
        let done: BTreeSet<usize> = order.into_iter().collect();
        let Some(stages) = cycle(&parents, &done) else {
            break;
        };
        if let Some(mine) = stages.first().and_then(|first| parents.get_mut(*first)) {
            let cut = stages.get(1).or_else(|| stages.first()).copied();
            mine.retain(|parent| Some(*parent) != cut);
        }
        problems.push(GraphProblem::Cycle { stages });
    }
    Vec::new()
}

fn kahn(parents: &[Vec<usize>]) -> Vec<usize> {
    let mut waiting: Vec<usize> = parents.iter().map(Vec::len).collect();
    let mut children = vec![Vec::new(); parents.len()];
    for (stage, mine) in parents.iter().enumerate() {
        for parent in mine {
            if let Some(list) = children.get_mut(*parent) {
                list.push(stage);
            }
        }
    }
    let free = waiting.iter().enumerate().filter(|(_, left)| **left == 0);
    let mut ready: VecDeque<usize> = free.map(|(stage, _)| stage).collect();
    let mut order = Vec::new();
    while let Some(stage) = ready.pop_front() {
        order.push(stage);
        for child in children.get(stage).into_iter().flatten() {
            if let Some(left) = waiting.get_mut(*child) {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    ready.push_back(*child);
                }
            }
        }
    }
    order
}

/// Walks from a stage that never gets ready along parents that never do, until it comes round.
fn cycle(parents: &[Vec<usize>], done: &BTreeSet<usize>) -> Option<Vec<usize>> {
    let mut stage = (0..parents.len()).find(|stage| !done.contains(stage))?;
    let mut walked: Vec<usize> = Vec::new();
    let mut seen = BTreeSet::new();
    while seen.insert(stage) {
        walked.push(stage);
        stage = parents.get(stage)?.iter().copied().find(|parent| !done.contains(parent))?;
    }
    let start = walked.iter().position(|place| *place == stage)?;
    Some(walked.split_off(start))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn graph(nodes: &[(&str, &[&str])]) -> Result<Graph, Vec<GraphProblem>> {
        let owned: Vec<(&str, Vec<String>)> = nodes
            .iter()
            .map(|(id, requires)| (*id, requires.iter().map(|id| (*id).to_owned()).collect()))
            .collect();
        let nodes: Vec<(&str, &[String])> =
            owned.iter().map(|(id, requires)| (*id, requires.as_slice())).collect();
        Graph::build(&nodes)
    }

    #[test]
    fn a_diamond_is_read_in_all_directions() {
        let graph = graph(&[
            ("join", &["left", "right", "left"]),
            ("left", &["start"]),
            ("right", &["start"]),
            ("start", &[]),
            ("alone", &[]),
        ])
        .unwrap();
        assert_eq!(graph.roots(), ["start", "alone"]);
        assert_eq!(graph.children("start"), ["left", "right"]);
        assert_eq!(graph.topological(), ["start", "alone", "left", "right", "join"]);
        assert_eq!(graph.ancestors("join"), ["left", "right", "start"]);
        assert_eq!(graph.descendants("start"), ["left", "right", "join"]);
        assert!(graph.ancestors("start").is_empty());
        assert!(graph.ancestors("nobody").is_empty());
    }

    #[test]
    fn a_near_ancestor_comes_before_a_far_one_even_if_listed_later() {
        let graph = graph(&[("a", &[]), ("b", &["a"]), ("c", &["b"]), ("d", &["c"])]).unwrap();
        assert_eq!(graph.ancestors("d"), ["c", "b", "a"]);
    }

    #[test]
    fn everything_in_the_way_is_told_at_once() {
        let problems =
            graph(&[("1", &["1"]), ("1", &[]), ("2", &["x"]), ("3", &["4"]), ("4", &["3"])])
                .unwrap_err();
        assert_eq!(
            problems,
            [
                GraphProblem::DuplicateId { stage: 1, first: 0 },
                GraphProblem::OnItself { stage: 0, requirement: 0 },
                GraphProblem::UnknownId { stage: 2, requirement: 0 },
                GraphProblem::Cycle { stages: vec![3, 4] },
            ]
        );
    }

    #[test]
    fn two_cycles_are_both_told_and_what_hangs_on_them_is_not() {
        let problems = graph(&[
            ("after", &["a"]),
            ("a", &["b"]),
            ("b", &["a"]),
            ("x", &["z"]),
            ("y", &["x"]),
            ("z", &["y"]),
        ])
        .unwrap_err();
        assert_eq!(
            problems,
            [
                GraphProblem::Cycle { stages: vec![1, 2] },
                GraphProblem::Cycle { stages: vec![3, 5, 4] },
            ]
        );
    }

    proptest! {
        #[test]
        fn any_acyclic_graph_is_sorted(edges in proptest::collection::vec((0_usize..40, 0_usize..40), 0..120)) {
            // Edges from higher to lower numbers only, listed backwards: no order to rely on.
            let names: Vec<String> = (0..40).map(|n| n.to_string()).collect();
            let mut requires: Vec<Vec<String>> = vec![Vec::new(); 40];
            for (a, b) in edges.into_iter().filter(|(a, b)| a != b) {
                requires[a.max(b)].push(names[a.min(b)].clone());
            }
            let nodes: Vec<(&str, &[String])> = names
                .iter()
                .zip(&requires)
                .map(|(name, requires)| (name.as_str(), requires.as_slice()))
                .rev()
                .collect();
            let graph = Graph::build(&nodes).unwrap();
            let order = graph.topological();
            prop_assert_eq!(order.len(), 40);
            let place = |id: &str| order.iter().position(|other| *other == id).unwrap();
            for (name, requires) in names.iter().zip(&requires) {
                for required in requires {
                    prop_assert!(place(required) < place(name));
                    prop_assert!(graph.ancestors(name).contains(&required.as_str()));
                    prop_assert!(graph.descendants(required).contains(&name.as_str()));
                }
            }
        }
    }
}
