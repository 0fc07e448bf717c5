# embed.awk: turns schema/*.sql into C string constants.
#
#   awk -v header=1 -f embed.awk FILES > schema_sql.h
#   awk -v header=0 -f embed.awk FILES > schema_sql.c
#
# A line `-- name: foo` starts the text of the constant `sql_foo`, which goes on
# to the next such line or the end of the file.

function finish()
{
	if (open && !header)
		print ";"
	open = 0
}

BEGIN {
	print "/* Made from the SQL files by schema/embed.awk. */"
	if (!header)
		print "#include \"schema_sql.h\"\n"
}

FNR == 1 {
	finish()
}

/^-- name: [a-z_]+$/ {
	finish()
	if (header)
		print "extern const char sql_" $3 "[];"
	else
		print "const char sql_" $3 "[] ="
	open = 1
	next
}

open && !header {
	gsub(/\\/, "\\\\")
	gsub(/"/, "\\\"")
	print "\t\"" $0 "\\n\""
}

END {
	finish()
}
