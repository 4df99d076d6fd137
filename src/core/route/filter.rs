//! What a subscription hears of its pattern, by the rights of its connection.

use crate::subject::rights_table::RightsId;

/// Which of the messages on its pattern a subscription hears.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Filter {
    /// All of them.
    Everything,
    /// Those that a set of rights does not deny it.
    Rights(RightsId),
}
