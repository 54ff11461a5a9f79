//! cutetube
