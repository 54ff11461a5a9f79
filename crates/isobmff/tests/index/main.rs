//! The index of files: progressive ones of every form, hostile ones of every kind.

mod build;
mod hostile;
mod progressive;
mod second_opinion;
mod strategies;
