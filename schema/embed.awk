# embed.awk: turns files into C string constants.
#
#   awk -v header=1 -f embed.awk FILES > NAME.h
#   awk -v header=0 -v name=NAME -f embed.awk FILES > NAME.c
#
# In a .sql file a line `-- name: foo` starts the text of the constant `sql_foo`, which
# goes on to the next such line or the end of the file. Any other file is one
# constant, a.b is `a_b`.

function start(constant)
{
	finish()
	if (header)
		print "extern const char " constant "[];"
	else
		print "const char " constant "[] ="
	open = 1
}

function finish()
{
	if (open && !header)
		print ";"
	open = 0
}

BEGIN {
	print "/* Made by schema/embed.awk. */"
	if (!header)
		print "#include \"" name ".h\"\n"
}

FNR == 1 {
	finish()
	is_sql = FILENAME ~ /\.sql$/
	if (!is_sql) {
		constant = FILENAME
		sub(/.*\//, "", constant)
		sub(/\./, "_", constant)
		start(constant)
	}
}

is_sql && /^-- name: [a-z_]+$/ {
	start("sql_" $3)
	next
}

open && !header {
	gsub(/\\/, "\\\\\\\\") # two of them: gsub takes a half away
	gsub(/"/, "\\\"")
	print "\t\"" $0 "\\n\""
}

END {
	finish()
}
