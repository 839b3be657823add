//! The AWS Query protocol on one port for every service, so that the real SDK runs against the
//! same state machine. Signatures are not verified; the credential scope says account and region.

mod autoscaling;
mod control;
mod ec2;
mod ec2_images;
mod ec2_instances;
mod ec2_templates;
mod elb;
mod elbv2;
mod form;
mod sts;
mod xml;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures::stream;
use tokio::net::TcpListener;

use self::{form::Form, xml::Xml};
use crate::{
    FakeAws,
    rules::Rule,
    world::{
        Caller, Site, World,
        error::{ApiError, CallError},
    },
};

/// What an action answers with: what stands inside its `…Result` (or, at EC2, its response).
type Answer = Result<Xml, CallError>;

#[derive(Clone, Debug)]
struct Face {
    aws: FakeAws,
    requests: Arc<AtomicU64>,
}

/// Serves a cloud on a listener until the future is dropped.
///
/// # Errors
///
/// The listener fails.
pub async fn serve(listener: TcpListener, aws: FakeAws) -> io::Result<()> {
    let face = Face { aws, requests: Arc::new(AtomicU64::new(1)) };
    let app = Router::new()
        .route("/", post(query))
        .route("/_fake/ledger", get(control::ledger))
        .route("/_fake/violations", get(control::violations))
        .route("/_fake/state", get(control::state))
        .route("/_fake/faults", get(control::fired).post(control::script))
        .route("/_fake/seed", post(control::seed))
        .with_state(face);
    axum::serve(listener, app).await
}

/// Which API an action belongs to: each has a version of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    Ec2,
    AutoScaling,
    Elb,
    ElbV2,
    Sts,
}

impl Service {
    fn of_version(version: &str) -> Option<Self> {
        Some(match version {
            "2016-11-15" => Self::Ec2,
            "2011-01-01" => Self::AutoScaling,
            "2012-06-01" => Self::Elb,
            "2015-12-01" => Self::ElbV2,
            "2011-06-15" => Self::Sts,
            _ => return None,
        })
    }

    const fn namespace(self) -> &'static str {
        match self {
            Self::Ec2 => "http://ec2.amazonaws.com/doc/2016-11-15/",
            Self::AutoScaling => "http://autoscaling.amazonaws.com/doc/2011-01-01/",
            Self::Elb => "http://elasticloadbalancing.amazonaws.com/doc/2012-06-01/",
            Self::ElbV2 => "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/",
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
        }
    }
}

async fn query(State(face): State<Face>, headers: HeaderMap, body: String) -> Response {
    let number = face.requests.fetch_add(1, Ordering::Relaxed);
    let request_id = format!("00000000-0000-4000-8000-{number:012x}");
    let form = Form::parse(&body);
    let action = form.text("Action").unwrap_or_default();
    let version = form.text("Version").unwrap_or_default();
    let Some(service) = Service::of_version(&version) else {
        let text = format!("The version '{version}' of action '{action}' is not served here");
        let error = ApiError::new(Rule::ActionUnknown, text);
        return refusal(Service::Ec2, &error, &request_id);
    };
    let answer = {
        let mut world = face.aws.world();
        caller(&headers, &world)
            .map_err(CallError::from)
            .and_then(|caller| answer(service, &action, &mut world, &caller, &form))
    };
    match answer {
        Ok(inside) => success(service, &action, inside, &request_id),
        Err(CallError::Refused(error)) => refusal(service, &error, &request_id),
        Err(CallError::NoAnswer) => cut(),
    }
}

fn answer(
    service: Service,
    action: &str,
    world: &mut World,
    caller: &Caller,
    form: &Form,
) -> Answer {
    match service {
        Service::Ec2 => ec2::answer(action, world, caller, form),
        Service::AutoScaling => autoscaling::answer(action, world, caller, form),
        Service::Elb => elb::answer(action, world, caller, form),
        Service::ElbV2 => elbv2::answer(action, world, caller, form),
        Service::Sts => sts::answer(action, world, caller, form),
    }
}

fn unknown_action(action: &str) -> CallError {
    let text = format!("The action {action} is not valid for this web service");
    ApiError::new(Rule::ActionUnknown, text).into()
}

/// Who calls, from `Authorization: AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request`.
fn caller(headers: &HeaderMap, world: &World) -> Result<Caller, ApiError> {
    let missing = || {
        let text = "Request is missing Authentication Token";
        ApiError::new(Rule::CredentialsMissing, text)
    };
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (_, scope) = header.and_then(|text| text.split_once("Credential=")).ok_or_else(missing)?;
    let mut parts = scope.split([',', ' ']).next().unwrap_or_default().split('/');
    let (Some(key), Some(_date), Some(region)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(missing());
    };
    let account = sts::account_of(key).unwrap_or_else(|| world.home_account().to_owned());
    let site = Site { account, region: region.to_owned() };
    Ok(Caller { site, actor: key.to_owned() })
}

fn success(service: Service, action: &str, inside: Xml, request_id: &str) -> Response {
    let inside = inside.into_string();
    let namespace = service.namespace();
    let text = match service {
        Service::Ec2 => format!(
            "<{action}Response xmlns=\"{namespace}\"><requestId>{request_id}</requestId>\
             {inside}</{action}Response>"
        ),
        Service::AutoScaling | Service::Elb | Service::ElbV2 | Service::Sts => format!(
            "<{action}Response xmlns=\"{namespace}\"><{action}Result>{inside}</{action}Result>\
             <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>\
             </{action}Response>"
        ),
    };
    xml_response(StatusCode::OK, &text)
}

fn refusal(service: Service, error: &ApiError, request_id: &str) -> Response {
    let mut inside = Xml::new();
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    let text = match service {
        Service::Ec2 => {
            inside.leaf("Code", &error.code).leaf("Message", &error.message);
            format!(
                "<Response><Errors><Error>{}</Error></Errors><RequestID>{request_id}</RequestID>\
                 </Response>",
                inside.into_string()
            )
        }
        Service::AutoScaling | Service::Elb | Service::ElbV2 | Service::Sts => {
            let kind = if status.is_server_error() { "Receiver" } else { "Sender" };
            inside.leaf("Type", kind).leaf("Code", &error.code).leaf("Message", &error.message);
            format!(
                "<ErrorResponse xmlns=\"{}\"><Error>{}</Error><RequestId>{request_id}</RequestId>\
                 </ErrorResponse>",
                service.namespace(),
                inside.into_string()
            )
        }
    };
    xml_response(status, &text)
}

fn xml_response(status: StatusCode, text: &str) -> Response {
    let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}");
    (status, [(header::CONTENT_TYPE, "text/xml;charset=UTF-8")], text).into_response()
}

/// The answer breaks off: the caller cannot know what became of its call.
fn cut() -> Response {
    let broken: Result<&str, io::Error> = Err(io::Error::from(io::ErrorKind::ConnectionReset));
    Response::new(Body::from_stream(stream::iter([Ok("<"), broken])))
}
