// Package migrate copies what one engine set holds to another: objects, unfinished uploads, the stores' rows, the registry's
// values and the facts on the bus. It knows engines by small interfaces only, opens none, and converts nothing: every entry
// arrives as it was.
//
// FROM is only read. TO is written by upserts alone, and what has been done stands in the file migrate.json of its data
// folder, so that a run that was killed anywhere is finished by the next one, to the same end. Nothing is called equal that
// was not read back from both sides.
package migrate
