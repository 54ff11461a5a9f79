//! The program from outside: the real server on a free port, driven over HTTP.

#![expect(clippy::unwrap_used, reason = "a test fails where it fails")]

mod abuse;
mod accounts;
mod admin;
mod app;
mod audience;
mod backstage;
mod clips;
mod cloudfront;
mod comments;
mod delivery;
mod documentation;
mod downloads;
mod licences;
mod limits;
mod metrics;
mod nul;
mod people;
mod playback;
mod posters;
mod processes;
mod quality;
mod resources;
mod routes;
mod sign_in;
mod site;
mod studio;
mod tokens;
mod tus;
mod uploads;
mod videos;
mod views;
