//! Who asks, and what they may.

mod action;
mod authenticate;
mod authorize;
mod builtin;
pub(crate) mod certificate;
mod impersonate;
pub(crate) mod review;
mod roles;
mod rule;
mod token;
mod user;

pub(crate) use action::Action;
pub(crate) use authenticate::authenticate;
pub(crate) use authorize::{Access, check_grant};
pub(crate) use builtin::furnish;
pub(crate) use impersonate::impersonated;
pub(crate) use roles::GROUP as RBAC_GROUP;
pub(crate) use token::{Signer, request as request_token};
pub(crate) use user::User;
