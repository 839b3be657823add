//! One worker process with a thousand bakes in flight: what it costs AWS to be asked about them.

use std::{sync::Arc, time::Duration};

use crate::{Failure, figures::Figures};

