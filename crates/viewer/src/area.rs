//! Areas of a picture.

/// A rectangle of pixels, counted from the upper left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Area {
    pub(crate) x: u16,
    pub(crate) y: u16,
    pub(crate) width: u16,
    pub(crate) height: u16,
}

impl Area {
    /// A whole picture.
    pub(crate) fn whole(width: u16, height: u16) -> Area {
        Area { x: 0, y: 0, width, height }
    }

    /// The column behind the last.
    pub(crate) fn right(self) -> u32 {
        u32::from(self.x) + u32::from(self.width)
    }

    /// The row below the last.
    pub(crate) fn bottom(self) -> u32 {
        u32::from(self.y) + u32::from(self.height)
    }

    /// What of it is in `other`; `None` for nothing.
    pub(crate) fn within(self, other: Area) -> Option<Area> {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let width = self.right().min(other.right()).checked_sub(x.into())?;
        let height = self.bottom().min(other.bottom()).checked_sub(y.into())?;
        let area = Area { x, y, width: narrow(width), height: narrow(height) };
        (width > 0 && height > 0).then_some(area)
    }

    /// The least area that has both in it.
    pub(crate) fn with(self, other: Area) -> Area {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let width = self.right().max(other.right()) - u32::from(x);
        let height = self.bottom().max(other.bottom()) - u32::from(y);
        Area { x, y, width: narrow(width), height: narrow(height) }
    }
}

/// A size beyond what the protocol can say ends where that does.
pub(crate) fn narrow(size: u32) -> u16 {
    u16::try_from(size).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn area(x: u16, y: u16, width: u16, height: u16) -> Area {
        Area { x, y, width, height }
    }

    #[test]
    fn areas_are_clipped_and_joined_without_overflow() {
        let screen = Area::whole(100, 50);
        let all = area(u16::MAX, u16::MAX, u16::MAX, u16::MAX);
        assert_eq!(area(90, 40, u16::MAX, u16::MAX).within(screen), Some(area(90, 40, 10, 10)));
        assert_eq!(all.within(screen), None);
        assert_eq!(area(100, 0, 5, 5).within(screen), None);
        assert_eq!(area(5, 5, 0, 9).within(screen), None);
        assert_eq!(area(1, 2, 3, 4).with(area(10, 0, 1, 1)), area(1, 0, 10, 6));
        assert_eq!(area(0, 0, 1, 1).with(all), area(0, 0, u16::MAX, u16::MAX));
    }
}
