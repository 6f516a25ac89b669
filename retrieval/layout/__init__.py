"""A bundle laid out once and kept in a file: every byte that is not a file's, and where each file goes in between.

`writing` makes such a file while members pass by, `reading` answers any range of the bundle from it, `folder` knows
where they are kept. What comes out is what the plans in memory (zipplan, tarplan, gzplan) say, byte for byte; memory
does not grow with the number of members, neither to write one nor to read it. The database stays the record: a
layout may be thrown away at any time.

The parts of the file: blocks of the constant bytes, compressed each by itself; blocks of the sources' names; columns
of 8-byte numbers; a description as JSON; its length and a mark.
"""
