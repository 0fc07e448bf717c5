# poll_functions.awk: the poll functions that have code, told by llvm-dwarfdump alone.
#
#   readelf -lW FILE >segments; llvm-dwarfdump FILE | awk -f poll_functions.awk segments -
#
# One line each: file offset, tab, `poll`, `resume` or `task` (an executor's function that
# runs a task), tab, the linkage name. Nothing of asyncrec is used: this is what its list
# is checked against.
#
# llvm-dwarfdump prints entry by entry, children two columns further in:
#   0x002eda3c:   DW_TAG_subprogram
#                   DW_AT_low_pc  (0x000000000010d470)
#                   DW_AT_type    (0x002f09e3 "core::task::poll::Poll<()>")

function number(hex,    value, i) {
	sub(/^0x/, "", hex)
	for (i = 1; i <= length(hex); i++)
		value = value * 16 + index("0123456789abcdef", tolower(substr(hex, i, 1))) - 1
	return value
}

# The text between quotes at the end of an attribute's line.
function quoted(line) {
	sub(/^[^"]*"/, "", line)
	sub(/"\)$/, "", line)
	return line
}

# What a function says itself, or the declaration or abstract instance it is made from.
function of(values, entry,    hops) {
	for (hops = 0; hops < 4 && !((entry, "") in values); hops++)
		entry = made_from[entry]
	return values[entry, ""]
}

function kind_of(entry,    type) {
	type = of(self, entry)
	if (of(linkage, entry) ~ task_runner)
		return "task"
	if (of(returns, entry) !~ /^core::task::poll::Poll</ ||
	    type !~ /^core::pin::Pin<&mut / || type ~ /^core::pin::Pin<&mut \(?dyn /)
		return ""
	if (of(name, entry) ~ /^\{async_(fn|block|closure)#[0-9]+\}(<.*)?$/)
		return "resume"
	if (of(name, entry) ~ /^poll(<.*)?$/ && of(context, entry) ~ /^core::task::wake::Context /)
		return "poll"
	return ""
}

BEGIN {
	# tokio's and async-task's, by the beginning and end of a legacy mangled path.
	task_runner = "^_ZN5tokio7runtime4task3raw4poll17h|" \
		"^_ZN10async_task3raw[0-9]+RawTask.*3run17h"
}

# First input: the segments that hold code.
FNR == NR {
	if ($1 == "LOAD" && $0 ~ / R?W? ?E /) {
		start[++segments] = number($3)
		offset[segments] = number($2)
		size[segments] = number($5)
	}
	next
}

/^0x[0-9a-f]+: / {
	entry = $1
	depth = index($0, "DW_TAG")
	function_at[depth] = $2 == "DW_TAG_subprogram" ? entry : ""
	parent = $2 == "DW_TAG_formal_parameter" ? function_at[depth - 2] : ""
	if (parent)
		parameters[parent]++
	inside = function_at[depth]
	next
}

parent && $1 == "DW_AT_type" {
	if (parameters[parent] == 1)
		self[parent, ""] = quoted($0)
	if (parameters[parent] == 2)
		context[parent, ""] = quoted($0)
	next
}

!inside { next }
$1 == "DW_AT_name" { name[inside, ""] = quoted($0) }
$1 == "DW_AT_linkage_name" { linkage[inside, ""] = quoted($0) }
$1 == "DW_AT_type" { returns[inside, ""] = quoted($0) }
$1 == "DW_AT_low_pc" { code[inside] = substr($2, 2, length($2) - 2) }
$1 == "DW_AT_abstract_origin" || $1 == "DW_AT_specification" {
	origin = substr($2, 2)
	sub(/\)$/, "", origin)
	# References are printed with 16 digits where they leave the unit.
	made_from[inside] = sprintf("0x%08x:", number(origin))
}

END {
	for (entry in code) {
		address = number(code[entry])
		kind = address ? kind_of(entry) : ""
		for (i = 1; i <= segments && kind; i++)
			if (address >= start[i] && address < start[i] + size[i])
				printf "0x%08x\t%s\t%s\n", address - start[i] + offset[i], kind,
					of(linkage, entry)
	}
}
