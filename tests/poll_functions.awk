# poll_functions.awk: the poll functions that have code, told by llvm-dwarfdump alone.
#
#   readelf -lW FILE >segments; llvm-dwarfdump FILE | awk -f poll_functions.awk segments -
#
# One line each: file offset, tab, `poll`, `resume` or `task` (an executor's function that
# runs a task, or blocks on a future), tab, how many copies of its future's polls are inlined in others, tab, the
# linkage name. Nothing of asyncrec is used: this is what its list is checked against.
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

# The entry that an attribute leads to: printed with 16 digits where it leaves the unit.
function reference(value) {
	sub(/^\(/, "", value)
	sub(/\)$/, "", value)
	return sprintf("0x%08x:", number(value))
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
	# Handles that their executor moves from poll to poll are not told apart.
	if (type ~ /^core::pin::Pin<&mut futures_task::future_obj::(Local)?FutureObj</)
		return ""
	if (of(name, entry) ~ /^\{async_(fn|block|closure)#[0-9]+\}(<.*)?$/)
		return "resume"
	if (of(name, entry) ~ /^poll(<.*)?$/ && of(context, entry) ~ /^core::task::wake::Context /)
		return "poll"
	return ""
}

# Where address is in the file, or -1: it is not in code.
function place(address,    i) {
	for (i = 1; i <= segments; i++)
		if (address && address >= start[i] && address < start[i] + size[i])
			return address - start[i] + offset[i]
	return -1
}

BEGIN {
	# tokio's and async-task's, and every block_on, by parts of a legacy mangled path.
	task_runner = "^_ZN5tokio7runtime4task3raw4poll17h|" \
		"^_ZN10async_task3raw[0-9]+RawTask.*3run17h|8block_on17h[0-9a-f]+E$"
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
	if (inside)
		around = inside
	copy = $2 == "DW_TAG_inlined_subroutine" ? ++copies : 0
	next
}

# A copy of what may be a poll, inlined in the function around it: its first address.
copy && $1 == "DW_AT_abstract_origin" && /4poll|closure/ {
	copy_of[copy] = reference($2)
	copied_to[copy] = around
}
copy && $1 == "DW_AT_low_pc" { copy_at[copy] = substr($2, 2, length($2) - 2) }
copy && /^ *\[0x/ && !(copy in copy_at) { copy_at[copy] = substr($1, 2, length($1) - 2) }
copy { next }

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
	made_from[inside] = reference($2)
}

END {
	for (copy in copy_of)
		if (kind_of(copy_of[copy]) && place(number(copy_at[copy])) >= 0 &&
		    place(number(code[copied_to[copy]])) >= 0)
			inlined[of(self, copy_of[copy])]++
	for (entry in code) {
		at = place(number(code[entry]))
		kind = at >= 0 ? kind_of(entry) : ""
		if (kind)
			printf "0x%08x\t%s\t%d\t%s\n", at, kind, inlined[of(self, entry)],
				of(linkage, entry)
	}
}
