//! Chunks against one process: quality after joins, and the cap on the bit rate.
