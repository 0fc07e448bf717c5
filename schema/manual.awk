# manual.awk: the part of asyncrec-schema(5) that lists tables and columns, from the
# comments in recording.sql and derived.sql, so that there is one place for them.
#
#   awk -f manual.awk recording.sql derived.sql

function text(string)
{
	gsub(/\\/, "\\e", string)
	sub(/^[.']/, "\\\\\\&&", string)
	return string
}

/^-- name: / {
	comment = ""
	next
}

/^-- / && !table {
	comment = comment (comment ? "\n" : "") text(substr($0, 4))
	next
}

/^CREATE TABLE/ {
	table = $3
	print ".Ss " table
	if (comment)
		print comment
	print ".Bl -tag -width Ds"
	comment = ""
	next
}

table && /^\)/ {
	print ".El"
	table = ""
	next
}

table && /^    [a-z_]+ [A-Z]+/ {
	column = $1
	rest = $0
	sub(/^ *[a-z_]+ /, "", rest)
	note = ""
	if (match(rest, /-- .*/)) {
		note = substr(rest, RSTART + 3)
		rest = substr(rest, 1, RSTART - 1)
	}
	sub(/,? *$/, "", rest)
	print ".It " column
	print text(rest) "."
	if (before) {
		print text(before)
		before = ""
	}
	if (note)
		print text(note)
	next
}

# A comment that goes on, or stands before its column.
table && /^ *-- / {
	note = $0
	sub(/^ *-- /, "", note)
	if ($0 ~ /^    -- /)
		before = before (before ? "\n" : "") note
	else
		print text(note)
	next
}

table && match($0, /-- .*/) {
	print text(substr($0, RSTART + 3))
}

/^$/ {
	if (!table)
		comment = ""
}
