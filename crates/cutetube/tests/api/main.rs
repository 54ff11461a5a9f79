//! The program from outside: the real server on a free port, driven over HTTP.

mod accounts;
mod app;
mod clips;
mod delivery;
mod uploads;
mod videos;
