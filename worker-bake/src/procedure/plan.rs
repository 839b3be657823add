//! Deciding which image is wanted.

use wire::TaskFailure;
use worker::End;

use super::{
    Run,
    progress::{Base, Plan},
};
use crate::{
    identity,
    order::{self, Existing, user_failure},
    ports::{Image, ImageQuery, ImageState},
};

impl Run<'_> {
    /// The base image, looked up once.
    pub(super) async fn base(&mut self) -> Result<Base, End> {
        if let Some(base) = self.progress.base() {
            return Ok(base.clone());
        }
        let base = self.find_base().await?;
        self.progress.found_base(base.clone());
        self.save().await?;
        Ok(base)
    }

    /// Looks the base image up.
    pub(super) async fn find_base(&self) -> Result<Base, End> {
        let (image, instance_type) = match &self.order.base {
            order::Base::Id(id) => (self.image_with_id(id).await?, None),
            order::Base::Name(name) => (self.newest_with_name(name).await?, None),
            order::Base::Row { os, label } => {
                let row = order::base_row(&self.bake.config, &self.order, os, label)?;
                (self.image_with_id(&row.image_id).await?, row.instance_type)
            }
        };
        self.check_base(&image)?;
        Ok(Base { image_id: image.id, instance_type })
    }

    async fn image_with_id(&self, id: &str) -> Result<Image, End> {
        let found = self
            .read(|| self.bake.cloud.images(&self.order.place, ImageQuery::Id(id.to_owned())))
            .await?;
        let found = found.into_iter().find(|image| image.id == id);
        found.ok_or_else(|| {
            let place = &self.order.place;
            user_failure(format!(
                "base image `{id}` does not exist in {place}, or is not shared with it"
            ))
            .into()
        })
    }

    async fn newest_with_name(&self, name: &str) -> Result<Image, End> {
        let found = self
            .read(|| self.bake.cloud.images(&self.order.place, ImageQuery::Name(name.to_owned())))
            .await?;
        found
            .into_iter()
            .filter(|image| image.state == ImageState::Available)
            .max_by(|a, b| (&a.created_at, &a.id).cmp(&(&b.created_at, &b.id)))
            .ok_or_else(|| {
                let place = &self.order.place;
                user_failure(format!("there is no available image with name `{name}` in {place}"))
                    .into()
            })
    }

    fn check_base(&self, image: &Image) -> Result<(), TaskFailure> {
        let mut problems = Vec::new();
        if image.state != ImageState::Available {
            problems.push("it is not available".to_owned());
        }
        let vm_type = if image.virtualization == "paravirtual" { "pv" } else { "hvm" };
        if vm_type != self.order.vm_type {
            problems.push(format!("it is {vm_type}, and {} is wanted", self.order.vm_type));
        }
        let architecture = debian_architecture(&image.architecture);
        for wanted in self.order.architectures.iter().filter(|wanted| *wanted != architecture) {
            problems.push(format!("it is {architecture}, and a package is for {wanted}"));
        }
        if problems.is_empty() {
            return Ok(());
        }
        Err(user_failure(format!(
            "base image `{}` does not fit: {}",
            image.id,
            problems.join("; ")
        )))
    }

    /// Which image is wanted: the newest there is, or the next. Asked under the lock.
    pub(super) async fn plan(&mut self, base: &Base, key: &str) -> Result<Plan, End> {
        if let Some(plan) = self.progress.plan() {
            return Ok(plan.clone());
        }
        let plan = self.draw_plan(base, key).await?;
        self.progress.planned(plan.clone());
        self.save().await?;
        Ok(plan)
    }

    /// Looks at the images with this key and decides.
    pub(super) async fn draw_plan(&self, base: &Base, key: &str) -> Result<Plan, End> {
        let images = self
            .read(|| {
                self.bake.cloud.images(&self.order.place, ImageQuery::OwnBakeKey(key.to_owned()))
            })
            .await?;
        Ok(match wanted(&images, self.order.existing) {
            Wanted::Existing(generation, image) => Plan {
                base_image_id: base.image_id.clone(),
                key: key.to_owned(),
                generation,
                image_name: image.name.clone(),
                existing: Some(image.id.clone()),
            },
            Wanted::New(generation) => Plan {
                base_image_id: base.image_id.clone(),
                key: key.to_owned(),
                generation,
                image_name: identity::image_name(&self.order, key, generation),
                existing: None,
            },
        })
    }
}

/// Which image serves an order.
#[derive(Debug, PartialEq, Eq)]
enum Wanted<'a> {
    /// This one, of this generation.
    Existing(u32, &'a Image),
    /// One that is not there, of a generation that no image has.
    New(u32),
}

fn wanted(images: &[Image], existing: Existing) -> Wanted<'_> {
    let generations =
        images.iter().filter_map(|image| Some((identity::generation_of(&image.tags)?, image)));
    let newest = generations.clone().map(|(number, _)| number).max().unwrap_or(0);
    let usable = generations
        .filter(|(_, image)| image.state != ImageState::Failed)
        .max_by_key(|(number, _)| *number);
    match (existing, usable) {
        // Also one that is pending: its maker is gone, for the lock is ours.
        (Existing::Reuse, Some((number, image))) => Wanted::Existing(number, image),
        (Existing::Reuse, None) | (Existing::Rebake, _) => Wanted::New(newest.saturating_add(1)),
    }
}

fn debian_architecture(ec2: &str) -> &str {
    match ec2 {
        "x86_64" => "amd64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::ports::tag;

    fn image(generation: u32, state: ImageState) -> Image {
        Image {
            id: format!("ami-{generation}"),
            name: "x".to_owned(),
            state,
            state_reason: None,
            tags: BTreeMap::from([(tag::GENERATION.to_owned(), generation.to_string())]),
            created_at: String::new(),
            architecture: "x86_64".to_owned(),
            virtualization: "hvm".to_owned(),
            ena_support: true,
        }
    }

    #[test]
    fn the_newest_usable_image_is_reused_and_a_rebake_makes_the_next() {
        use ImageState::{Available, Failed, Pending};
        // A generation with a minus is a new one.
        let cases = [
            (vec![], Existing::Reuse, -1),
            (vec![], Existing::Rebake, -1),
            (vec![(1, Available), (2, Available)], Existing::Reuse, 2),
            (vec![(1, Available), (2, Pending)], Existing::Reuse, 2),
            (vec![(1, Available), (2, Failed)], Existing::Reuse, 1),
            (vec![(1, Failed)], Existing::Reuse, -2),
            (vec![(1, Available), (2, Failed)], Existing::Rebake, -3),
        ];
        for (images, existing, expected) in cases {
            let images: Vec<Image> =
                images.iter().map(|&(number, state)| image(number, state)).collect();
            let found = match wanted(&images, existing) {
                Wanted::Existing(number, image) => {
                    assert_eq!(image.id, format!("ami-{number}"));
                    i64::from(number)
                }
                Wanted::New(number) => -i64::from(number),
            };
            assert_eq!(found, expected, "{images:?} {existing:?}");
        }
    }
}
