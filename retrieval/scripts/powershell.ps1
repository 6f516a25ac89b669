# @ABOUT@
# In Windows:  powershell -ExecutionPolicy Bypass -File THIS_FILE --help     Elsewhere:  pwsh THIS_FILE --help
$Self = $PSCommandPath
if (-not $Self) { $Self = ($words = [Environment]::GetCommandLineArgs())[[Array]::IndexOf($words, '-File') + 1] }
if ((Get-Content -LiteralPath $Self -Tail 1) -cne '#>') { [Console]::Error.WriteLine('Cut off: download it again.'); exit 2 }
# It holds no password and no token. The list of files at its end is a comment that is read as data and never run.

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$HelpText = @'
Downloads files into DIR/MAST_<stamp>/<MISSION>/<observation>/<file>, checks each one, and says what is missing.

  --dest DIR         where the folder MAST_<stamp> is made (default: here)
  -j N, --jobs N     files at the same time, 1 to 64 (default 4)
  --only PATTERN     only files whose path or name matches, such as '*_i2d.fits'; may be repeated
  --verify           read the files that are here already, and fetch anew those with another SHA-256
  --dry-run          say what would be fetched; send and write nothing
  --continue, --new  where the folder is there already: go on in it (default), or make another
  --token-file FILE  read the MAST API token from FILE, which only you may read
  --tries N          attempts for each file (default 5)
  --timeout SECONDS  a connection on which nothing came for so long is broken (default 60)
  --quiet            no progress
  --help             this

The options may also be written as in PowerShell: -Dest, -Jobs, -Only, -Verify, -DryRun, -Continue, -New, -TokenFile.
Exclusive access files need a token: in the variable MAST_API_TOKEN, in a file (--token-file, or its name in
MAST_API_TOKEN_FILE), or typed in when asked. It is sent to the archive only. Run again, the script goes on.

Exit status: 0 all delivered; 1 something is missing; 2 could not start; 130, 143 stopped.
'@

# --- Words ------------------------------------------------------------------------------------------------------

# Numbers and dates look the same in every country.
$Invariant = [Globalization.CultureInfo]::InvariantCulture

# Shows what hides, breaks or reorders text as escapes; $Ascii shows everything beyond ASCII so.
function ConvertTo-Visible([string] $Text, [bool] $Ascii) {
    if ($Text -cmatch '\A[ -~]*\z') { return $Text }
    $shown = [Text.StringBuilder]::new()
    for ($i = 0; $i -lt $Text.Length; $i++) {
        $length = 1
        if ([char]::IsSurrogatePair($Text, $i)) { $length = 2 }
        $code = [int] $Text[$i]
        if ($length -eq 2) { $code = [char]::ConvertToUtf32($Text, $i) }
        $printable = $code -ge 32 -and $code -lt 127
        if (-not $printable -and -not $Ascii -and $code -ge 160) {
            $kind = [string] [Globalization.CharUnicodeInfo]::GetUnicodeCategory($Text, $i)
            $printable = $kind -cnotmatch 'Control|Format|Surrogate|PrivateUse|Separator|NotAssigned'
        }
        if ($printable) { [void] $shown.Append($Text, $i, $length) }
        elseif ($length -eq 2) { [void] $shown.Append('\U' + $code.ToString('x8')) }
        else { [void] $shown.Append('\u' + $code.ToString('x4')) }
        $i += $length - 1
    }
    $shown.ToString()
}

function Format-Size([long] $Size) {
    if ($Size -lt 1000) { return "$Size B" }
    $value = [double] $Size
    foreach ($unit in 'kB', 'MB', 'GB', 'TB') {
        $value /= 1000
        if ($value -lt 999.95) { break }
    }
    $value.ToString('0.0', [Globalization.CultureInfo]::InvariantCulture) + " $unit"
}

function Format-Files([long] $Count) {
    if ($Count -eq 1) { '1 file' } else { "$Count files" }
}

function Write-Result([string] $Line) { Write-Line ([Console]::Out) $Line }

function Write-Problem([string] $Line) { Write-Line ([Console]::Error) $Line }

function Write-Note([string] $Line) { if (-not $Options.Quiet) { Write-Line ([Console]::Error) $Line } }

function Write-Line([IO.TextWriter] $Stream, [string] $Line) {
    if ($Drawn.Width) {
        [Console]::Error.Write("`r" + (' ' * $Drawn.Width) + "`r")
        $Drawn.Width = 0
    }
    $shown = ConvertTo-Visible $Line $Drawn.Ascii
    if ($Host.Name -ceq 'ConsoleHost') { $Stream.WriteLine($shown) } else { $Host.UI.WriteLine($shown) }
}

# A line that the next one overwrites; only on a terminal.
function Write-Live([string] $Line) {
    if ($Options.Quiet -or [Console]::IsErrorRedirected -or $Host.Name -cne 'ConsoleHost') { return }
    [Console]::Error.Write("`r" + $Line.PadRight($Drawn.Width))
    $Drawn.Width = $Line.Length
}

function Stop-Start([string] $Why) {
    Write-Problem ([IO.Path]::GetFileName($Self) + ": $Why")
    exit 2
}

function Test-Terminal { -not [Console]::IsInputRedirected -and -not [Console]::IsErrorRedirected }

# --- What was asked for -----------------------------------------------------------------------------------------

function Read-Options([object[]] $Words) {
    $told = @{
        Dest = '.'; Jobs = 4; Only = @(); Verify = $false; DryRun = $false; New = $false; Continue = $false
        TokenFile = ''; Tries = 5; Timeout = 60.0; Quiet = $false; Help = $false
    }
    $switches = @{ verify = 'Verify'; dryrun = 'DryRun'; new = 'New'; continue = 'Continue'; quiet = 'Quiet'
        help = 'Help'; h = 'Help'; '?' = 'Help' }
    $values = @{ dest = 'Dest'; j = 'Jobs'; jobs = 'Jobs'; only = 'Only'; tokenfile = 'TokenFile'; tries = 'Tries'
        timeout = 'Timeout' }
    for ($i = 0; $i -lt $Words.Length; $i++) {
        $word = [string] $Words[$i]
        $value = $null
        if ($word -cmatch '\A--([a-z-]+)=') { $name, $value = $word.Split([char[]] '=', 2) }
        elseif ($word -cmatch '\A-j[0-9]+\z') { $name = '-j'; $value = $word.Substring(2) }
        else { $name = $word }
        if ($name -notmatch '\A--?[a-z?][a-z-]*\z') { Stop-Start "$word is not an option; --help tells them all." }
        $key = $name.Replace('-', '').ToLowerInvariant()
        if ($switches.ContainsKey($key) -and $null -eq $value) { $told[$switches[$key]] = $true; continue }
        if (-not $values.ContainsKey($key)) { Stop-Start "$word is not an option; --help tells them all." }
        if ($null -eq $value) {
            $i++
            if ($i -ge $Words.Length) { Stop-Start "$word needs a value." }
            $value = [string] $Words[$i]
        }
        if ($key -ceq 'only') { $told.Only += $value } else { $told[$values[$key]] = $value }
    }
    if ($told.New -and $told.Continue) { Stop-Start '--new and --continue exclude each other.' }
    $told.Jobs = Read-Whole '--jobs' ([string] $told.Jobs) 64
    $told.Tries = Read-Whole '--tries' ([string] $told.Tries) 1000
    $seconds = 0.0
    $number = [Globalization.NumberStyles]::AllowDecimalPoint
    $shown = [Convert]::ToString($told.Timeout, $Invariant)
    if (-not [double]::TryParse($shown, $number, $Invariant, [ref] $seconds) -or $seconds -le 0 -or $seconds -gt 1e6) {
        Stop-Start "--timeout $shown is not a number of seconds above 0."
    }
    $told.Timeout = $seconds
    $told
}

function Read-Whole([string] $Name, [string] $Text, [int] $Most) {
    if ($Text -cnotmatch '\A[0-9]{1,6}\z' -or [int] $Text -lt 1 -or [int] $Text -gt $Most) {
        Stop-Start "$Name $Text is not a whole number from 1 to $Most."
    }
    [int] $Text
}

# A shell pattern as a regular expression: * ? [a-z] [!a-z]
function ConvertTo-Regex([string] $Pattern) {
    $text = [Text.StringBuilder]::new('\A')
    for ($i = 0; $i -lt $Pattern.Length; $i++) {
        $one = $Pattern[$i]
        $end = -1
        if ($one -ceq '[' -and $i + 2 -lt $Pattern.Length) { $end = $Pattern.IndexOf(']', $i + 2) }
        if ($one -ceq '*') { [void] $text.Append('.*') }
        elseif ($one -ceq '?') { [void] $text.Append('.') }
        elseif ($end -gt 0) {
            $set = $Pattern.Substring($i + 1, $end - $i - 1).Replace('\', '\\').Replace('[', '\[').Replace(']', '\]')
            if ($set[0] -ceq '!') { $set = '^' + $set.Substring(1) } elseif ($set[0] -ceq '^') { $set = '\' + $set }
            [void] $text.Append("[$set]")
            $i = $end
        } else { [void] $text.Append([regex]::Escape([string] $one)) }
    }
    try { [regex]::new($text.Append('\z').ToString(), 'Singleline, CultureInvariant') }
    catch { Stop-Start "--only $Pattern is not a pattern." }
}

function Test-Wanted([string] $Path) {
    if (-not $Patterns.Count) { return $true }
    $name = $Path.Substring($Path.LastIndexOf('/') + 1)
    foreach ($pattern in $Patterns) { if ($pattern.IsMatch($Path) -or $pattern.IsMatch($name)) { return $true } }
    $false
}

# The folder to work in: the one that is there, or a new one, as the person says.
function Get-Folder([string] $Base, [string] $Name) {
    $folder = [IO.Path]::Combine($Base, $Name)
    $there = [IO.Directory]::Exists($folder) -or [IO.File]::Exists($folder)
    if (-not $there -or $Options.Continue -or $Options.DryRun) { return $folder }
    $new = $Options.New
    if (-not $new -and (Test-Terminal)) {
        do {
            [Console]::Error.Write((ConvertTo-Visible $folder $false) +
                ' is here already. (C)ontinue in it or use a (N)ew one? [C] ')
            $answer = [Console]::In.ReadLine()
        } until ("$answer".Trim() -match '\A(c|continue|n|new)?\z')
        $new = "$answer".Trim() -match '\An'
    }
    if (-not $new) { return $folder }
    for ($i = 1; [IO.Directory]::Exists("$folder-$i") -or [IO.File]::Exists("$folder-$i"); $i++) { }
    "$folder-$i"
}

# --- The plan ---------------------------------------------------------------------------------------------------

# A word of the list: - for nothing, = and base64 for what is not plain.
function ConvertFrom-Word([string] $Word) {
    if ($Word -ceq '-') { return '' }
    if ($Word.Length -and $Word[0] -ceq '=') {
        return [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($Word.Substring(1)))
    }
    $Word
}

# The plan is read line by line, so that a million files need no memory.
function Open-Plan {
    $plan = @{ Reader = [IO.StreamReader]::new($Self, [Text.Encoding]::ASCII); Number = 0; Prefixes = @{} }
    while ($null -ne ($line = $plan.Reader.ReadLine())) { if ($line -ceq '<# PLAN') { return $plan } }
    Stop-Start 'This script is cut off: it lists no files. Download it again.'
}

function Read-Header {
    $told = @{ name = ''; source = ''; user = ''; files = '0'; protected = '0'; duplicates = '0'; origin = @()
        token_check = ''; token_page = ''; pack = '' }
    $plan = Open-Plan
    try {
        while (($line = $plan.Reader.ReadLine()) -and $line[0] -ceq 'H') {
            $null, $key, $word = $line.Split(' ')
            if ($key -ceq 'origin') { $told.origin += ConvertFrom-Word $word } else { $told[$key] = ConvertFrom-Word $word }
        }
    } finally { $plan.Reader.Dispose() }
    $told
}

# The next file, or nothing at the end. Called a million times, so it calls nothing where a word is plain.
function Read-Entry($Plan) {
    while ($null -ne ($line = $Plan.Reader.ReadLine())) {
        $words = $line.Split(' ')
        if ($words[0] -ceq 'F' -and $words.Length -eq 10) {
            $Plan.Number++
            for ($i = 3; $i -lt 10; $i++) {
                $word = $words[$i]
                if ($word -ceq '-' -or $word[0] -eq '=') { $words[$i] = ConvertFrom-Word $word }
            }
            $size = [long] -1
            if ($words[2] -cne '-') { $size = [long] $words[2] }
            return @{
                Number = $Plan.Number; Protected = $words[1] -ceq 'p'; Size = $size; Sha256 = $words[3]
                PublicOn = $words[4]; Url = $Plan.Prefixes[$words[5]] + $words[6]; Path = $words[7]; Uri = $words[8]
                Access = $words[9]
            }
        }
        if ($words[0] -ceq 'U') { $Plan.Prefixes[$words[1]] = ConvertFrom-Word $words[2] }
        elseif ($words[0] -ceq 'E') {
            if ([long] $words[1] -ne $Plan.Number) { Stop-Start 'Files are missing in this script. Download it again.' }
            return
        } elseif ($words[0] -cne 'H') { Stop-Start 'The list in this script was edited. Download it again.' }
    }
    Stop-Start 'This script is cut off: the end of its list is not here. Download it again.'
}

# --- Where files land -------------------------------------------------------------------------------------------

# Where a path lies below the folder; nothing for one that leads out of it or onto the script's own files.
function Get-Place($Shared, [string] $Path) {
    $names = $Path.Split('/')
    foreach ($name in $names) { if ($name -in '', '.', '..' -or $name.IndexOf([char] 0) -ge 0) { return } }
    if ($names[0] -in '.parts', 'MANIFEST.HTML', 'MANIFEST.json', 'SHA256SUMS') { return }
    if ($Shared.Windows) {
        $names = @(foreach ($name in $names) {
            $name = [regex]::Replace($name, '[\x00-\x1f<>:"|?*\\]|[. ](?=[. ]*\z)', '_')
            if ($name -match '\A(con|prn|aux|nul|conin\$|conout\$|clock\$|com[0-9]|lpt[0-9]) *(\.|\z)') { $name = "_$name" }
            $name
        })
    }
    $place = $Shared.Root + $Shared.Separator + [string]::Join($Shared.Separator, $names)
    if ($Shared.LongPaths -and $place.Length -gt 240) {
        if ($place.StartsWith('\\')) { return '\\?\UNC' + $place.Substring(1) }
        return '\\?\' + $place
    }
    $place
}

# Whether Windows PowerShell can be talked into paths of more than 260 characters; PowerShell 7 needs no talking.
function Test-LongPaths {
    if ($PSVersionTable.PSVersion.Major -ge 6) { return $false }
    try {
        [AppContext]::SetSwitch('Switch.System.IO.UseLegacyPathHandling', $false)
        [AppContext]::SetSwitch('Switch.System.IO.BlockLongPaths', $false)
        $known = [object].Assembly.GetType('System.AppContextSwitches')
        foreach ($name in '_useLegacyPathHandling', '_blockLongPaths') {
            $known.GetField($name, [Reflection.BindingFlags] 'Static, NonPublic').SetValue($null, -1)
        }
        [IO.Path]::GetFullPath('\\?\C:\') -ceq '\\?\C:\'
    } catch { $false }
}

function Get-Length([string] $Path) {
    $file = [IO.FileInfo]::new($Path)
    if ($file.Exists) { $file.Length } else { [long] 0 }
}

# Give the bytes their name, all at once.
function Move-Part([string] $Part, [string] $Target) {
    [void] [IO.Directory]::CreateDirectory([IO.Path]::GetDirectoryName($Target))
    if ($PSVersionTable.PSVersion.Major -ge 7) { [IO.File]::Move($Part, $Target, $true) }
    elseif ([IO.File]::Exists($Target)) { [IO.File]::Replace($Part, $Target, [NullString]::Value) }
    else { [IO.File]::Move($Part, $Target) }
}

function New-Sha256 {
    # Windows PowerShell's own SHA256 is refused where only certified cryptography is allowed.
    if ($PSVersionTable.PSVersion.Major -lt 6) { return [Security.Cryptography.SHA256Cng]::new() }
    [Security.Cryptography.SHA256]::Create()
}

function ConvertTo-Hex([byte[]] $Bytes) { [BitConverter]::ToString($Bytes).Replace('-', '').ToLowerInvariant() }

function Get-Sha256([string] $Path) {
    $stream = [IO.FileStream]::new($Path, [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]::Read, 1048576)
    $hash = New-Sha256
    try { ConvertTo-Hex $hash.ComputeHash($stream) } finally { $stream.Dispose(); $hash.Dispose() }
}

# --- One file: these run in the workers ------------------------------------------------------------------------

# Results: Kind is delivered, here, denied, failed, skipped, or again for what is worth repeating.
function New-Result([string] $Kind, [string] $Reason) {
    @{ Kind = $Kind; Reason = $Reason; Wait = -1.0; Busy = $false; Size = [long] -1; Sha256 = '' }
}

# What .NET really said, below the wrappings.
function Get-Cause($ErrorRecord) {
    $cause = $ErrorRecord.Exception
    while ($cause.InnerException -and ($cause -is [Management.Automation.RuntimeException] -or
            $cause -is [AggregateException] -or $cause -is [Net.Http.HttpRequestException])) {
        $cause = $cause.InnerException
    }
    $cause
}

# 0 when the task has ended, 1 when the run is to end, -1 after too long a silence.
function Wait-Task($Shared, [Threading.Tasks.Task] $Task) {
    if ($Task.IsCompleted) { return 0 }
    [Threading.Tasks.Task]::WaitAny([Threading.Tasks.Task[]] @($Task, $Shared.Stop.Task), $Shared.Silence)
}

function Wait-Seconds($Shared, [double] $Seconds) {
    if ($Seconds -gt 0) { [void] $Shared.Stop.Task.Wait([int] [Math]::Min($Seconds * 1000, 2e9)) }
}

function Get-Origin([Uri] $Uri) { $Uri.Scheme + '://' + $Uri.DnsSafeHost.ToLowerInvariant() + ':' + $Uri.Port }

function Get-Header($Response, [string] $Name) {
    $values = $null
    if ($Response.Headers.TryGetValues($Name, [ref] $values)) { return ([string[]] @($values))[0].Trim() }
    if ($Response.Content -and $Response.Content.Headers.TryGetValues($Name, [ref] $values)) {
        return ([string[]] @($values))[0].Trim()
    }
    ''
}

# One request without redirects: a result whose Response is the answer, its body unread.
function Send-One($Shared, [Net.Http.HttpRequestMessage] $Request) {
    $cancel = [Threading.CancellationTokenSource]::new()
    try {
        $headers = [Net.Http.HttpCompletionOption]::ResponseHeadersRead
        $task = $Shared.Client.SendAsync($Request, $headers, $cancel.Token)
        $ended = Wait-Task $Shared $task
        if ($ended -eq 1) { $cancel.Cancel(); return New-Result 'skipped' }
        if ($ended -ne 0) { $cancel.Cancel(); return New-Result 'again' 'No answer: nothing came for too long.' }
        $result = New-Result 'answered'
        $result.Response = $task.GetAwaiter().GetResult()
        $result
    } catch {
        $cause = Get-Cause $_
        if ($cause -is [Security.Authentication.AuthenticationException]) {
            return New-Result 'failed' "The server's certificate is not trusted: $($cause.Message)"
        }
        New-Result 'again' "No answer: $($cause.Message)"
    }
}

# A GET with at most five redirects; the token goes along until the first one to elsewhere.
function Send-Get($Shared, [string] $Url, [hashtable] $Headers, [bool] $WithToken) {
    $uri = $null
    if (-not [Uri]::TryCreate($Url, [UriKind]::Absolute, [ref] $uri)) { return New-Result 'failed' 'This is no address.' }
    for ($hop = 0; $hop -le 5; $hop++) {
        if ($uri.Scheme -notin 'http', 'https') { return New-Result 'failed' "$uri is neither http nor https." }
        $request = [Net.Http.HttpRequestMessage]::new([Net.Http.HttpMethod]::Get, $uri)
        foreach ($name in $Headers.Keys) { [void] $request.Headers.TryAddWithoutValidation($name, [string] $Headers[$name]) }
        $WithToken = $WithToken -and (Test-TokenGoes $Shared $uri)
        if ($WithToken) { [void] $request.Headers.TryAddWithoutValidation('Authorization', "token $($Shared.Token)") }
        $result = Send-One $Shared $request
        if ($result.Kind -cne 'answered') { return $result }
        $status = [int] $result.Response.StatusCode
        if ($status -notin 301, 302, 303, 307, 308) { return $result }
        $location = Get-Header $result.Response 'Location'
        $result.Response.Dispose()
        $next = $null
        if (-not $location -or -not [Uri]::TryCreate($uri, $location, [ref] $next)) {
            return New-Result 'failed' "The server answered $status without saying where the file is."
        }
        if ($uri.Scheme -ceq 'https' -and $next.Scheme -cne 'https') {
            return New-Result 'failed' 'The server redirects from https to something else.'
        }
        $uri = $next
    }
    New-Result 'failed' 'The server redirects more than 5 times.'
}

function Test-TokenGoes($Shared, [Uri] $Uri) {
    $Shared.Token -and -not $Shared.TokenDead -and $Shared.Origins -ccontains (Get-Origin $Uri)
}

# False only if the archive says that the token no longer works.
function Test-Token($Shared) {
    if (-not $Shared.Token -or -not $Shared.TokenCheck) { return $true }
    $result = Send-Get $Shared $Shared.TokenCheck @{ Accept = 'application/json' } $true
    if ($result.Kind -cne 'answered') { return $true }
    try {
        if ([int] $result.Response.StatusCode -in 401, 403) { return $false }
        $task = $result.Response.Content.ReadAsStringAsync()
        if ((Wait-Task $Shared $task) -ne 0) { return $true }
        $task.GetAwaiter().GetResult() -cnotmatch '"anon"\s*:\s*true'
    } catch { $true } finally { $result.Response.Dispose() }
}

# After a 401: whether the token is dead. Asked at most once in ten seconds, by one worker for all.
function Test-TokenDead($Shared) {
    [Threading.Monitor]::Enter($Shared.TokenLock)
    try {
        if (-not $Shared.TokenDead -and [DateTime]::UtcNow -ge $Shared.TokenCheckDue) {
            $Shared.TokenDead = -not (Test-Token $Shared)
            $Shared.TokenCheckDue = [DateTime]::UtcNow.AddSeconds(10)
        }
        $Shared.TokenDead
    } finally { [Threading.Monitor]::Exit($Shared.TokenLock) }
}

# The strong ETag, else the date of the last change (RFC 9110 13.1.5).
function Get-Validator($Response) {
    $tag = Get-Header $Response 'ETag'
    if ($tag -cmatch '\A"[^"]+"\z') { return $tag }
    Get-Header $Response 'Last-Modified'
}

function Clear-Part([string] $Part) {
    [IO.File]::Delete($Part)
    [IO.File]::Delete([IO.Path]::ChangeExtension($Part, '.etag'))
}

# Bring this file. The result is final.
function Receive-File($Shared, $Entry) {
    $target = Get-Place $Shared $Entry.Path
    if (-not $target) { return New-Result 'failed' 'This name leads out of the folder.' }
    try {
        if ($Shared.Verify -and [IO.File]::Exists($target)) {
            $size = Get-Length $target
            if ($Entry.Size -in -1, $size) {
                $found = Get-Sha256 $target
                if (-not $Entry.Sha256 -or $Entry.Sha256 -ceq $found) {
                    $result = New-Result 'here'
                    $result.Size = $size; $result.Sha256 = $found
                    return $result
                }
            }
        }
        $part = $Shared.Parts + $Shared.Separator + $Entry.Number + '.part'
        $tries = 0
        while ($true) {
            if ($Shared.Stop.Task.IsCompleted) { return New-Result 'skipped' }
            $before = Get-Length $part
            $result = Receive-Once $Shared $Entry $part
            if ($result.Kind -cne 'again') { break }
            if ((Get-Length $part) - $before -ge 1048576) { $tries = 0 } else { $tries++ }
            if ($tries -ge $Shared.Tries) { return New-Result 'failed' "$($result.Reason) ($tries attempts)" }
            Wait-Again $Shared $result $tries ([Uri] $Entry.Url)
        }
        if ($result.Kind -cne 'delivered') { return $result }
        if ($Shared.Stop.Task.IsCompleted) { return New-Result 'skipped' }
        Move-Part $part $target
        [IO.File]::Delete([IO.Path]::ChangeExtension($part, '.etag'))
        $result
    } catch {
        $cause = Get-Cause $_
        # ERROR_DISK_FULL, ERROR_HANDLE_DISK_FULL, ENOSPC
        if ($cause -is [IO.IOException] -and ($cause.HResult -in -2147024784, -2147024857, 28)) {
            $Shared.Why = 'The disk is full.'
            [void] $Shared.Stop.TrySetResult($true)
            return New-Result 'skipped'
        }
        New-Result 'failed' "It could not be written: $($cause.Message)"
    }
}

# Wait before the next attempt: as long as the server says, else twice as long as the time before.
function Wait-Again($Shared, $Result, [int] $Tries, [Uri] $Uri) {
    $delay = [Math]::Min($Shared.Delay * [Math]::Pow(2, [Math]::Max(0, $Tries - 1)), 60)
    if ($Result.Wait -ge 0) {
        $delay = [Math]::Min($Result.Wait, 300)
        if ($Result.Busy) { $Shared.Pauses[(Get-Origin $Uri)] = [DateTime]::UtcNow.AddSeconds($delay) }
    }
    Wait-Seconds $Shared $delay
}

# Nobody asks a server that has asked for a pause.
function Wait-Pause($Shared, [string] $Url) {
    if (-not $Shared.Pauses.Count) { return }
    $until = $Shared.Pauses[(Get-Origin ([Uri] $Url))]
    if ($until) { Wait-Seconds $Shared ($until - [DateTime]::UtcNow).TotalSeconds }
}

# One attempt: get the bytes that are missing.
function Receive-Once($Shared, $Entry, [string] $Part) {
    $have = Get-Length $Part
    $validator = ''
    $note = [IO.Path]::ChangeExtension($Part, '.etag')
    if ($have -and [IO.File]::Exists($note)) { $validator = [IO.File]::ReadAllText($note).Trim() }
    $headers = @{}
    if ($have -and ($validator -or $Entry.Sha256) -and ($Entry.Size -lt 0 -or $have -le $Entry.Size)) {
        if ($have -eq $Entry.Size) { return Confirm-Part $Entry $Part (Get-Sha256 $Part) }
        $headers.Range = "bytes=$have-"
        if ($validator) { $headers['If-Range'] = $validator }
    } else { $have = [long] 0 }
    if ($Entry.Protected -and $Shared.TokenDead) {
        return New-Result 'denied' 'Exclusive access, and the token no longer works.'
    }
    Wait-Pause $Shared $Entry.Url
    $result = Send-Get $Shared $Entry.Url $headers $Entry.Protected
    if ($result.Kind -cne 'answered') { return $result }
    try {
        $status = [int] $result.Response.StatusCode
        if ($status -in 200, 206) { return Receive-Body $Shared $Entry $Part $result.Response $have $validator }
        if ($status -eq 416 -and $have) {
            $range = Get-Header $result.Response 'Content-Range'
            if ($range -ceq "bytes */$have" -and $Entry.Size -in -1, $have) {
                return Confirm-Part $Entry $Part (Get-Sha256 $Part)
            }
            Clear-Part $Part
            return New-Result 'again' 'The server has another length of this file.'
        }
        Get-Refusal $Shared $Entry $result.Response $status
    } finally { $result.Response.Dispose() }
}

# What an answer without the bytes means.
function Get-Refusal($Shared, $Entry, $Response, [int] $Status) {
    if ($Status -in 401, 403) {
        $why = 'You have no right to this file'
        if ($Entry.Protected -and -not $Shared.Token) { $why = 'Exclusive access, and there is no token' }
        elseif ($Status -eq 401 -and $Entry.Protected -and (Test-TokenDead $Shared)) {
            $why = 'Exclusive access, and the token no longer works'
        }
        return New-Result 'denied' "$why (the server answered $Status)."
    }
    $kind = 'failed'
    if ($Status -in 408, 425, 429, 500, 502, 503, 504) { $kind = 'again' }
    $result = New-Result $kind "The server answered $("$Status $($Response.ReasonPhrase)".Trim())."
    $result.Busy = $Status -in 429, 503
    $result.Wait = Get-RetryAfter $Response
    $result
}

# Seconds, from a number or a date (RFC 9110 10.2.3); -1 where the server says nothing.
function Get-RetryAfter($Response) {
    try { $told = $Response.Headers.RetryAfter } catch { return -1.0 }
    if (-not $told) { return -1.0 }
    if ($null -ne $told.Delta) { return [double] $told.Delta.TotalSeconds }
    if ($null -ne $told.Date) { return [Math]::Max(0, ($told.Date - [DateTimeOffset]::UtcNow).TotalSeconds) }
    -1.0
}

# Refuse what cannot be the file, before a byte of it is kept. Nothing when it can.
function Get-Objection($Entry, $Response, [string] $First) {
    if ($Entry.Sha256) { return }
    $page = '(?i)\.x?html?\z'
    if ($First) {
        if ($First -match '\A\s*<(!doctype\s+html|html)\b' -and $Entry.Path -notmatch $page) {
            return 'The server sent a page (HTML) instead of the file.'
        }
        return
    }
    $type = ''
    if ($Response.Content.Headers.ContentType) { $type = "$($Response.Content.Headers.ContentType.MediaType)" }
    if (($type -eq 'text/html' -and $Entry.Path -notmatch $page) -or
        ($type -eq 'application/json' -and $Entry.Path -notmatch '(?i)\.(geojson|json|ipynb)\z')) {
        return "The server sent a page ($type) instead of the file."
    }
    $coding = Get-Header $Response 'Content-Encoding'
    if ($coding -and $coding -ne 'identity' -and $Entry.Path -notmatch '(?i)\.g?z\z') {
        return 'The file was compressed on its way.'
    }
}

# Write the body behind what is here.
function Receive-Body($Shared, $Entry, [string] $Part, $Response, [long] $Have, [string] $Validator) {
    $promised = [long] -1
    if ([int] $Response.StatusCode -eq 206) {
        $range = $Response.Content.Headers.ContentRange
        $now = Get-Validator $Response
        $changed = $Validator -and $now -and $Validator[0] -ceq '"' -and $now[0] -ceq '"' -and $Validator -cne $now
        if (-not $Have -or -not $range -or $range.From -ne $Have -or $changed) {
            Clear-Part $Part
            return New-Result 'again' 'The server sent another part of the file, or the file has changed.'
        }
        if ($null -ne $range.Length) { $promised = [long] $range.Length }
    } else {
        $Have = [long] 0
        if ($null -ne $Response.Content.Headers.ContentLength) { $promised = [long] $Response.Content.Headers.ContentLength }
    }
    $objection = Get-Objection $Entry $Response ''
    if ($objection) { return New-Result 'again' $objection }
    if ($promised -ge 0 -and $Entry.Size -ge 0 -and $promised -ne $Entry.Size) {
        if ($Have) { Clear-Part $Part }
        return New-Result 'again' "The server has $promised bytes of this file, the archive's list $($Entry.Size)."
    }
    if (-not $Have) {
        Clear-Part $Part
        $validator = Get-Validator $Response
        if ($validator) { [IO.File]::WriteAllText([IO.Path]::ChangeExtension($Part, '.etag'), $validator) }
    }
    Copy-Body $Shared $Entry $Part $Response $Have $(if ($Entry.Size -ge 0) { $Entry.Size } else { $promised })
}

function Copy-Body($Shared, $Entry, [string] $Part, $Response, [long] $Have, [long] $Expected) {
    $hash = New-Sha256
    $buffer = [byte[]]::new(262144)
    $file = [IO.FileStream]::new($Part, [IO.FileMode]::OpenOrCreate, [IO.FileAccess]::ReadWrite, [IO.FileShare]::Read)
    $problem = ''
    try {
        while ($file.Position -lt $Have) {
            $count = $file.Read($buffer, 0, [int] [Math]::Min($buffer.Length, $Have - $file.Position))
            if ($count -le 0) { break }
            [void] $hash.TransformBlock($buffer, 0, $count, $buffer, 0)
        }
        $stream = $null
        while (-not $problem) {
            try {
                if ($null -eq $stream) { $task = $Response.Content.ReadAsStreamAsync() }
                else { $task = $stream.ReadAsync($buffer, 0, $buffer.Length) }
                $ended = Wait-Task $Shared $task
                if ($ended -eq 1) { return New-Result 'skipped' }
                if ($ended -ne 0) { $problem = 'nothing came for too long.'; break }
                $got = $task.GetAwaiter().GetResult()
            } catch { $problem = (Get-Cause $_).Message; break }
            if ($null -eq $stream) { $stream = $got; continue }
            if ($got -eq 0) { break }
            if (-not $Have -and $file.Position -eq 0 -and -not $Entry.Sha256) {
                $first = [Text.Encoding]::ASCII.GetString($buffer, 0, [Math]::Min($got, 512))
                $objection = Get-Objection $Entry $Response $first
                if ($objection) { return New-Result 'again' $objection }
            }
            $file.Write($buffer, 0, $got)
            [void] $hash.TransformBlock($buffer, 0, $got, $buffer, 0)
            if ($Expected -ge 0 -and $file.Position -gt $Expected) { break }
        }
        $size = $file.Position
        [void] $hash.TransformFinalBlock($buffer, 0, 0)
        $found = ConvertTo-Hex $hash.Hash
    } finally { $file.Dispose(); $hash.Dispose() }
    if ($Expected -ge 0 -and $size -gt $Expected) {
        Clear-Part $Part
        return New-Result 'again' "The server sent more than the $Expected bytes of this file."
    }
    if ($Expected -ge 0 -and $size -lt $Expected) {
        return New-Result 'again' "The connection broke off after $size of $Expected bytes. $problem".Trim()
    }
    if ($problem -and $Expected -lt 0) { return New-Result 'again' "The connection broke off: $problem" }
    Confirm-Part $Entry $Part $found
}

# The bytes are those of the archive's list, or they are thrown away.
function Confirm-Part($Entry, [string] $Part, [string] $Sha256) {
    $size = Get-Length $Part
    if ($Entry.Size -ge 0 -and $size -ne $Entry.Size) {
        Clear-Part $Part
        return New-Result 'again' "The server sent $size bytes of this file, the archive's list has $($Entry.Size)."
    }
    if ($Entry.Sha256 -and $Entry.Sha256 -cne $Sha256) {
        Clear-Part $Part
        return New-Result 'again' "The bytes are not those of the archive's list (SHA-256)."
    }
    $result = New-Result 'delivered'
    $result.Size = $size; $result.Sha256 = $Sha256
    $result
}

# --- Packs: many small files in one answer ----------------------------------------------------------------------

# Bring these files: packed as far as that works, the others one by one.
function Receive-Batch($Shared, [object[]] $Entries) {
    $left = $Entries
    $tries = 0
    while ($left.Length -gt 1 -and $Shared.Packs -and -not $Shared.Stop.Task.IsCompleted) {
        $missing = [Collections.Generic.SortedDictionary[int, object]]::new()
        for ($i = 0; $i -lt $left.Length; $i++) { $missing[$i] = $left[$i] }
        $result = Receive-Pack $Shared $missing
        if ($missing.Count -lt $left.Length) { $tries = 0 } else { $tries++ }
        $left = [object[]] @($missing.Values)
        if ($result.Kind -cne 'again' -or $tries -ge $Shared.Tries) { break }
        Wait-Again $Shared $result $tries ([Uri] $Shared.Pack)
    }
    foreach ($entry in $left) { Complete-Entry $Shared $entry (Receive-File $Shared $entry) }
}

function Complete-Entry($Shared, $Entry, $Result) {
    $Result.Number = $Entry.Number
    $Result.Path = $Entry.Path
    $Result.Known = $Entry.Size -ge 0 -and $Entry.Sha256
    $Shared.Results.Enqueue($Result)
}

# Ask for one pack, and take out of $Missing what comes right.
function Receive-Pack($Shared, $Missing) {
    $words = [Text.StringBuilder]::new()
    $exclusive = $false
    foreach ($entry in $Missing.Values) {
        if ($words.Length) { [void] $words.Append('&') }
        [void] $words.Append('uri=').Append([Uri]::EscapeDataString($entry.Uri))
        $exclusive = $exclusive -or $entry.Protected
    }
    Wait-Pause $Shared $Shared.Pack
    $request = [Net.Http.HttpRequestMessage]::new([Net.Http.HttpMethod]::Post, $Shared.Pack)
    $request.Content = [Net.Http.StringContent]::new($words.ToString(), [Text.Encoding]::ASCII, 'application/x-www-form-urlencoded')
    if ($exclusive -and (Test-TokenGoes $Shared ([Uri] $Shared.Pack))) {
        [void] $request.Headers.TryAddWithoutValidation('Authorization', "token $($Shared.Token)")
    }
    $result = Send-One $Shared $request
    if ($result.Kind -cne 'answered') { return $result }
    try {
        $status = [int] $result.Response.StatusCode
        if ($status -in 408, 425, 429, 500, 502, 503, 504) {
            $again = New-Result 'again' "The server answered $status."
            $again.Busy = $status -in 429, 503
            $again.Wait = Get-RetryAfter $result.Response
            return $again
        }
        $type = $result.Response.Content.Headers.ContentType
        if ($status -eq 200 -and $type -and $type.MediaType -eq 'application/x-tar') {
            return Expand-Pack $Shared $result.Response $Missing
        }
        if ($status -notin 401, 403) { $Shared.Packs = $false }
        New-Result 'done'
    } finally { $result.Response.Dispose() }
}

# Read exactly so many bytes; false when the bytes end too early.
function Read-Exactly($Shared, $Stream, [byte[]] $Buffer, [int] $Count) {
    $have = 0
    while ($have -lt $Count) {
        $task = $Stream.ReadAsync($Buffer, $have, $Count - $have)
        if ((Wait-Task $Shared $task) -ne 0) { return $false }
        $got = $task.GetAwaiter().GetResult()
        if ($got -le 0) { return $false }
        $have += $got
    }
    $true
}

function Expand-Pack($Shared, $Response, $Missing) {
    $broken = New-Result 'again' 'The pack broke off.'
    $hash = New-Sha256
    $head = [byte[]]::new(512)
    $data = [byte[]]::new(4194304 + 512)
    try {
        $stream = $Response.Content.ReadAsStreamAsync().GetAwaiter().GetResult()
        while ($true) {
            if (-not (Read-Exactly $Shared $stream $head 512)) { return $broken }
            $member = Read-Member $head
            if ($null -eq $member) { return New-Result 'again' 'The pack is damaged.' }
            if (-not $member.Name) { return New-Result 'done' }
            $padded = [long] ([Math]::Ceiling($member.Size / 512) * 512)
            $entry = $null
            if ($member.Plain -and $member.Name -cmatch '\A[0-9]{1,6}\z') { [void] $Missing.TryGetValue([int] $member.Name, [ref] $entry) }
            if ($null -eq $entry -or $entry.Size -ne $member.Size -or $padded -gt $data.Length) {
                for ($rest = $padded; $rest -gt 0; $rest -= 512) {
                    if (-not (Read-Exactly $Shared $stream $head 512)) { return $broken }
                }
                continue
            }
            if (-not (Read-Exactly $Shared $stream $data ([int] $padded))) { return $broken }
            $found = ConvertTo-Hex $hash.ComputeHash($data, 0, [int] $member.Size)
            $target = Get-Place $Shared $entry.Path
            if (-not $target -or ($entry.Sha256 -and $entry.Sha256 -cne $found)) { continue }
            $part = $Shared.Parts + $Shared.Separator + $entry.Number + '.part'
            $file = [IO.FileStream]::new($part, [IO.FileMode]::Create, [IO.FileAccess]::Write)
            try { $file.Write($data, 0, [int] $member.Size) } finally { $file.Dispose() }
            Move-Part $part $target
            [IO.File]::Delete([IO.Path]::ChangeExtension($part, '.etag'))
            [void] $Missing.Remove([int] $member.Name)
            $result = New-Result 'delivered'
            $result.Size = $member.Size; $result.Sha256 = $found
            Complete-Entry $Shared $entry $result
        }
    } catch { New-Result 'again' "The pack broke off: $((Get-Cause $_).Message)" } finally { $hash.Dispose() }
}

# A tar header (POSIX ustar): no name at the end of the pack, nothing where it is damaged.
function Read-Member([byte[]] $Head) {
    $sum = 8 * 32
    for ($i = 0; $i -lt 148; $i++) { $sum += $Head[$i] }
    for ($i = 156; $i -lt 512; $i++) { $sum += $Head[$i] }
    $text = [Text.Encoding]::ASCII.GetString($Head)
    if ($sum -eq 256 -and $Head[148] -eq 0) { return @{ Name = ''; Size = [long] 0; Plain = $false } }
    $size = $text.Substring(124, 12).Trim([char] 0, ' ')
    $told = $text.Substring(148, 8).Trim([char] 0, ' ')
    $name = $text.Substring(0, 100).Split([char] 0)[0]
    if ($size -cnotmatch '\A[0-7]{1,11}\z' -or $told -cnotmatch '\A[0-7]{1,7}\z' -or -not $name) { return }
    if ([Convert]::ToInt64($told, 8) -ne $sum) { return }
    @{ Name = $name; Size = [Convert]::ToInt64($size, 8); Plain = $Head[156] -in 0, 48 }
}

# A worker: takes batches until there are no more.
function Invoke-Worker($Shared) {
    $ErrorActionPreference = 'Stop'
    $batch = $null
    while (-not $Shared.Stop.Task.IsCompleted) {
        if (-not $Shared.Work.TryTake([ref] $batch, 100)) {
            if ($Shared.Work.IsCompleted) { break }
            continue
        }
        try { Receive-Batch $Shared $batch } catch {
            # One file must never end the run.
            foreach ($entry in $batch) {
                Complete-Entry $Shared $entry (New-Result 'failed' "Unexpected: $((Get-Cause $_).Message)")
            }
        }
    }
}
# --- The run ----------------------------------------------------------------------------------------------------

$Kinds = 'not asked', 'pending', 'to check', 'here', 'delivered', 'denied', 'failed', 'skipped'

function New-State([int] $Files) {
    @{
        Codes = [byte[]]::new($Files + 1); Counts = [long[]]::new(8); Bytes = [long] 0
        Reasons = [Collections.Generic.Dictionary[int, string]]::new()
        Sizes = [Collections.Generic.Dictionary[int, long]]::new()
        Sums = [Collections.Generic.Dictionary[int, string]]::new()
    }
}

function Set-Outcome([int] $Number, [int] $Code, [string] $Reason) {
    $State.Counts[$State.Codes[$Number]]--
    $State.Counts[$Code]++
    $State.Codes[$Number] = $Code
    if ($Reason) { $State.Reasons[$Number] = $Reason }
}

function Get-Requested {
    $sum = [long] 0
    for ($i = 1; $i -lt 8; $i++) { $sum += $State.Counts[$i] }
    $sum
}

function Get-Delivered { $State.Counts[3] + $State.Counts[4] }

# Look at every file of the plan: is it wanted, is it here?
function Measure-Plan {
    $survey = @{ Missing = [long] 0; Protected = [long] 0; Bytes = [long] 0; Unknown = [long] 0; Room = [long] 0 }
    $begun = [IO.Directory]::Exists($Shared.Root)
    $plan = Open-Plan
    try {
        while ($entry = Read-Entry $plan) {
            if ($Patterns.Count -and -not (Test-Wanted $entry.Path)) { continue }
            $survey.Room += 1000 + 4 * ($entry.Uri.Length + $entry.Path.Length)
            if ($begun -and (Test-Here $entry)) {
                Set-Outcome $entry.Number $(if ($Options.Verify) { 2 } else { 3 })
                continue
            }
            $State.Codes[$entry.Number] = 1
            $survey.Missing++
            if ($entry.Protected) { $survey.Protected++ }
            if ($entry.Size -ge 0) { $survey.Bytes += $entry.Size } else { $survey.Unknown++ }
        }
    } finally { $plan.Reader.Dispose() }
    $State.Counts[1] = $survey.Missing
    $survey
}

function Test-Here($Entry) {
    $target = Get-Place $Shared $Entry.Path
    if (-not $target) { return $false }
    $file = [IO.FileInfo]::new($target)
    $file.Exists -and ($Entry.Size -lt 0 -or $Entry.Size -eq $file.Length)
}

function Show-Survey($Survey) {
    $requested = Get-Requested
    if ($Options.Only.Count) { Write-Result "selected $requested of $($Header.files)" }
    $size = Format-Size $Survey.Bytes
    if ($Survey.Unknown) { $size += " and $($Survey.Unknown) of unknown size" }
    Write-Note ("$($Header.name) from $($Header.source): $(Format-Files $requested), $($requested - $Survey.Missing) " +
        "already here, $($Survey.Missing) to fetch ($size), into $($Shared.Root)")
}

# What a dry run says.
function Show-Missing {
    $plan = Open-Plan
    try {
        while ($entry = Read-Entry $plan) {
            $code = $State.Codes[$entry.Number]
            if ($code -notin 1, 2) { continue }
            $size = 'unknown size'
            if ($entry.Size -ge 0) { $size = Format-Size $entry.Size }
            if ($entry.Protected) { $size += ', needs a token' }
            Write-Result "would $(if ($code -eq 1) { 'fetch' } else { 'check' }) $($entry.Path) ($size) from $($entry.Url)"
        }
    } finally { $plan.Reader.Dispose() }
    $todo = $State.Counts[1] + $State.Counts[2]
    Write-Result "would fetch or check $todo of $(Format-Files (Get-Requested)); nothing was done"
}

# Make the folder; returns what keeps a second run out of it.
function Open-Folder($Survey) {
    try { [void] [IO.Directory]::CreateDirectory($Shared.Parts) }
    catch { Stop-Start "$($Shared.Root) cannot be written: $((Get-Cause $_).Message)" }
    try {
        $lock = [IO.FileStream]::new($Shared.Parts + $Shared.Separator + 'lock', [IO.FileMode]::OpenOrCreate,
            [IO.FileAccess]::ReadWrite, [IO.FileShare]::None)
    } catch { Stop-Start "$($Shared.Root) cannot be written, or another run is at work in it: $((Get-Cause $_).Message)" }
    # Room for the manifests: the files may fill the disk, and then there is something to tell.
    try {
        $zeros = [byte[]]::new(65536)
        $room = [IO.FileStream]::new($Shared.Parts + $Shared.Separator + 'room', [IO.FileMode]::Create, [IO.FileAccess]::Write)
        try { for ($i = 0; $i -lt [Math]::Min($Survey.Room, 67108864); $i += 65536) { $room.Write($zeros, 0, 65536) } }
        finally { $room.Dispose() }
    } catch { $lock.Dispose(); Stop-Start "$($Shared.Root) cannot be written: $((Get-Cause $_).Message)" }
    try {
        $free = [IO.DriveInfo]::new([IO.Path]::GetFullPath($Base)).AvailableFreeSpace
        foreach ($part in [IO.Directory]::EnumerateFiles($Shared.Parts, '*.part')) { $free += Get-Length $part }
    } catch { $free = [long]::MaxValue }
    if ($Survey.Bytes -gt $free) {
        $lock.Dispose()
        Stop-Start ("$(Format-Size $Survey.Bytes) are to be fetched, and $($Shared.Root) has room for " +
            "$(Format-Size $free). Choose another --dest, or fewer files with --only.")
    }
    $lock
}

# The token from the file, the environment or the keyboard; empty if there is none.
function Read-Token {
    $file = $Options.TokenFile
    if (-not $file -and -not $env:MAST_API_TOKEN) { $file = $env:MAST_API_TOKEN_FILE }
    if ($file) {
        $file = [IO.Path]::Combine($Here, $file)
        if (Test-OthersRead $file) { Stop-Start "Others can read $file. Protect it, with chmod 600 or icacls." }
        try { $token = "$([IO.File]::ReadAllText($file).TrimStart().Split([char[]] "`r`n")[0])".Trim() }
        catch { Stop-Start "The token file $file cannot be read: $((Get-Cause $_).Message)" }
        if (-not $token) { Stop-Start "The token file $file is empty." }
        return Confirm-Token $token $file
    }
    if ($env:MAST_API_TOKEN) { return Confirm-Token $env:MAST_API_TOKEN.Trim() 'MAST_API_TOKEN' }
    if (Test-Terminal) { return Request-Token }
    ''
}

# Asked for without showing what is typed.
function Request-Token {
    $where = ''
    if ($Header.token_page) { $where = " (from $(ConvertTo-Visible $Header.token_page $true))" }
    $prompt = "Token for files with exclusive access$where, or Enter for none: "
    if ($Shared.Windows) {
        [Console]::Error.Write($prompt)
        $typed = [Net.NetworkCredential]::new('', (Read-Host -AsSecureString)).Password
    } else { $typed = Read-Unseen $prompt }
    Confirm-Token $typed.Trim() 'What you typed'
}

# Read-Host turns the echo off only after it has asked: whoever types at once would be seen.
function Read-Unseen([string] $Prompt) {
    $stty = (Get-Command -Name stty -CommandType Application | Select-Object -First 1).Source
    & $stty -echo
    try {
        [Console]::Error.Write($Prompt)
        $reader = [IO.StreamReader]::new([IO.FileStream]::new('/dev/tty', [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]::ReadWrite, 1))
        "$($reader.ReadLine())"
    } finally {
        & $stty echo
        [Console]::Error.WriteLine()
    }
}

function Confirm-Token([string] $Token, [string] $Where) {
    if ($Token -cnotmatch '\A[ -~]{0,8000}\z') { Stop-Start "$Where is not a token: it has characters that no token has." }
    $Token
}

function Test-OthersRead([string] $File) {
    if (-not [IO.File]::Exists($File)) { return $false }
    if (-not $Shared.Windows) {
        # ls tells the rights in the same way everywhere: -rw------- for 0600.
        $told = "$(& '/bin/ls' '-ldL' '--' $File | Select-Object -First 1)"
        return $told -cnotmatch '\A.[r-][w-].------'
    }
    $mine = [Security.Principal.WindowsIdentity]::GetCurrent().User.Value
    foreach ($rule in (Get-Acl -LiteralPath $File).GetAccessRules($true, $true, [Security.Principal.SecurityIdentifier])) {
        $reads = ([int] $rule.FileSystemRights -band 1) -and [string] $rule.AccessControlType -ceq 'Allow'
        if ($reads -and -not ($rule.IdentityReference.Value -in $mine, 'S-1-5-18', 'S-1-5-32-544', 'S-1-3-0', 'S-1-3-4')) {
            return $true
        }
    }
    $false
}

# Find a token where one is needed, and test it before the first byte.
function Set-Token($Survey) {
    if (-not $Survey.Protected) { return }
    $Shared.Token = Read-Token
    if (-not $Shared.Token) {
        Write-Note ("$(Format-Files $Survey.Protected) with exclusive access, and no token: set MAST_API_TOKEN. " +
            'Trying without.')
        return
    }
    for ($asked = 0; -not (Test-Token $Shared); $asked++) {
        if ($asked -ge 2 -or -not (Test-Terminal)) {
            $where = ''
            if ($Header.token_page) { $where = " Get a new one at $($Header.token_page)" }
            Stop-Start "The archive refuses the token: it has expired, or is not one.$where"
        }
        $Shared.Token = Request-Token
    }
}

function New-Client {
    Add-Type -AssemblyName System.Net.Http
    if ($PSVersionTable.PSVersion.Major -lt 6) {
        $manager = [Net.ServicePointManager]
        $manager::DefaultConnectionLimit = [Math]::Max($manager::DefaultConnectionLimit, $Options.Jobs)
        $manager::Expect100Continue = $false
        # 0 leaves the choice to Windows; otherwise TLS 1.2 must be among what is allowed.
        if ([int] $manager::SecurityProtocol -ne 0) {
            $manager::SecurityProtocol = $manager::SecurityProtocol -bor [Net.SecurityProtocolType] 3072
        }
        if ([Net.WebRequest]::DefaultWebProxy) {
            [Net.WebRequest]::DefaultWebProxy.Credentials = [Net.CredentialCache]::DefaultNetworkCredentials
        }
    }
    $handler = [Net.Http.HttpClientHandler]::new()
    $handler.AllowAutoRedirect = $false
    $handler.UseCookies = $false
    $client = [Net.Http.HttpClient]::new($handler)
    $client.Timeout = [Threading.Timeout]::InfiniteTimeSpan
    [void] $client.DefaultRequestHeaders.TryAddWithoutValidation('User-Agent', "Skybasket-script/1 (PowerShell $($PSVersionTable.PSVersion))")
    [void] $client.DefaultRequestHeaders.TryAddWithoutValidation('Accept-Encoding', 'identity')
    $client
}

# A session with the functions above and nothing of the person's own.
function New-Worker {
    $initial = [Management.Automation.Runspaces.InitialSessionState]::CreateDefault2()
    foreach ($name in $WorkerFunctions) {
        $text = (Get-Command -Name $name -CommandType Function).Definition
        $initial.Commands.Add([Management.Automation.Runspaces.SessionStateFunctionEntry]::new($name, $text))
    }
    $worker = [powershell]::Create($initial)
    [void] $worker.AddCommand('Invoke-Worker').AddArgument($Shared)
    $worker
}

# Hand out the work, a little ahead of the workers, and gather what they say.
function Invoke-Workers {
    foreach ($number in 1..$Options.Jobs) {
        $worker = New-Worker
        [void] $Workers.Add(@{ Shell = $worker; Ends = $worker.BeginInvoke() })
    }
    $plan = Open-Plan
    $batch = [Collections.Generic.List[object]]::new()
    $bytes = [long] 0
    try {
        while (-not $Shared.Stop.Task.IsCompleted -and ($entry = Read-Entry $plan)) {
            $code = $State.Codes[$entry.Number]
            if ($code -notin 1, 2) { continue }
            if ($code -ne 1 -or -not (Test-Packable $entry)) { Add-Work @($entry); continue }
            if ($batch.Count -ge 1000 -or $bytes + $entry.Size -gt 67108864) {
                Add-Work $batch.ToArray()
                $batch.Clear()
                $bytes = [long] 0
            }
            $batch.Add($entry)
            $bytes += $entry.Size
        }
    } finally { $plan.Reader.Dispose() }
    if ($batch.Count) { Add-Work $batch.ToArray() }
    $Shared.Work.CompleteAdding()
    foreach ($worker in $Workers) {
        while (-not $worker.Ends.AsyncWaitHandle.WaitOne(50)) { Receive-Results }
    }
    Receive-Results
}

function Test-Packable($Entry) {
    $Shared.Packs -and $Entry.Size -ge 0 -and $Entry.Size -le 4194304 -and
        (-not $Entry.Protected -or ($Shared.Token -and -not $Shared.TokenDead)) -and
        (Get-Origin ([Uri] $Entry.Url)) -ceq $Shared.PackOrigin
}

function Add-Work([object[]] $Batch) {
    while (-not $Shared.Stop.Task.IsCompleted) {
        $added = $Shared.Work.TryAdd($Batch, 50)
        Receive-Results
        if ($added) { return }
    }
}

# Write down what the workers have done.
function Receive-Results {
    $result = $null
    while ($Shared.Results.TryDequeue([ref] $result)) {
        $number = $result.Number
        if ($State.Codes[$number] -notin 1, 2) { continue }
        $code = [Array]::IndexOf($Kinds, $result.Kind)
        if ($code -eq 7) { continue }
        Set-Outcome $number $code $result.Reason
        if ($code -in 3, 4 -and -not $result.Known) {
            $State.Sizes[$number] = $result.Size
            $State.Sums[$number] = $result.Sha256
        }
        if ($code -eq 4) {
            $State.Bytes += $result.Size
            if ([Console]::IsErrorRedirected) { Write-Note "delivered $($result.Path)" }
        } elseif ($code -in 5, 6) { Write-Note "$($result.Kind)    $($result.Path): $($result.Reason)" }
    }
    $done = (Get-Delivered) + $State.Counts[5] + $State.Counts[6]
    Write-Live "$done of $(Format-Files (Get-Requested)), $(Format-Size $State.Bytes)"
}

# --- What really happened ---------------------------------------------------------------------------------------

# Take over what the last run measured of files that the plan does not know whole and that are still here.
function Restore-Measures {
    $old = $Shared.Root + $Shared.Separator + 'MANIFEST.json'
    if (-not [IO.File]::Exists($old)) { return }
    $plan = Open-Plan
    $reader = [IO.StreamReader]::new($old)
    try {
        $known = Read-Measure $reader
        while ($known -and ($entry = Read-Entry $plan)) {
            if ($known.path -cne $entry.Path) { continue }
            if ($State.Codes[$entry.Number] -eq 3 -and ($entry.Size -lt 0 -or -not $entry.Sha256) -and
                "$($known.sha256)" -cmatch '\A[0-9a-f]{64}\z' -and (Get-Length (Get-Place $Shared $entry.Path)) -eq $known.size) {
                $State.Sizes[$entry.Number] = [long] $known.size
                $State.Sums[$entry.Number] = $known.sha256
            }
            $known = Read-Measure $reader
        }
    } catch { return } finally { $reader.Dispose(); $plan.Reader.Dispose() }
}

function Read-Measure([IO.StreamReader] $Reader) {
    while ($null -ne ($line = $Reader.ReadLine())) {
        if ($line.StartsWith('{"uri"', [StringComparison]::Ordinal)) { return $line.TrimEnd(',') | ConvertFrom-Json }
    }
}

function ConvertTo-JsonText([string] $Text) {
    if ($Text -cmatch '\A[ !#-\[\]-~]*\z') { return '"' + $Text + '"' }
    $shown = [Text.StringBuilder]::new('"')
    foreach ($one in $Text.ToCharArray()) {
        if ($one -ceq '"' -or $one -ceq '\') { [void] $shown.Append('\').Append($one) }
        elseif ([int] $one -ge 32 -and [int] $one -lt 127) { [void] $shown.Append($one) }
        else { [void] $shown.Append('\u' + ([int] $one).ToString('x4')) }
    }
    $shown.Append('"').ToString()
}

function ConvertTo-HtmlText([string] $Text) {
    $Text = ConvertTo-Visible $Text $false
    if ($Text -cmatch '\A[^&<>"'']*\z') { return $Text }
    $Text.Replace('&', '&amp;').Replace('<', '&lt;').Replace('>', '&gt;').Replace('"', '&quot;').Replace("'", '&#x27;')
}

function Get-Row($Entry) {
    $number = $Entry.Number
    $row = @{ Outcome = 'delivered'; Reason = ''; Size = $Entry.Size; Sha256 = $Entry.Sha256 }
    if ($State.Codes[$number] -gt 4) { $row.Outcome = $Kinds[$State.Codes[$number]] }
    if ($State.Codes[$number] -gt 4 -and $State.Reasons.ContainsKey($number)) { $row.Reason = $State.Reasons[$number] }
    if ($row.Size -lt 0 -and $State.Sizes.ContainsKey($number)) { $row.Size = $State.Sizes[$number] }
    if (-not $row.Sha256 -and $State.Sums.ContainsKey($number)) { $row.Sha256 = $State.Sums[$number] }
    $row
}

function Write-Manifests {
    $created = [DateTime]::UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", $Invariant)
    $utf8 = [Text.UTF8Encoding]::new($false)
    $writers = @{}
    foreach ($name in 'MANIFEST.HTML', 'MANIFEST.json', 'SHA256SUMS') {
        $writers[$name] = [IO.StreamWriter]::new($Shared.Parts + $Shared.Separator + "$name.new", $false, $utf8)
        $writers[$name].NewLine = "`n"
    }
    $plan = Open-Plan
    try { Write-Rows $plan $writers['MANIFEST.HTML'] $writers['MANIFEST.json'] $writers['SHA256SUMS'] $created }
    finally {
        $plan.Reader.Dispose()
        foreach ($writer in $writers.Values) { $writer.Dispose() }
    }
    foreach ($name in $writers.Keys) {
        Move-Part ($Shared.Parts + $Shared.Separator + "$name.new") ($Shared.Root + $Shared.Separator + $name)
    }
}

function Write-Rows($Plan, [IO.TextWriter] $Html, [IO.TextWriter] $Json, [IO.TextWriter] $Sums, [string] $Created) {
    Write-HtmlHead $Html $Created
    $complete = (Get-Delivered) -eq (Get-Requested)
    $Json.Write('{"name": ' + (ConvertTo-JsonText $FolderName) + ', "created": "' + $Created + '", "user": ' +
        (ConvertTo-JsonText $Header.user) + ', "complete": ' + "$complete".ToLowerInvariant() + ', "counts": ' +
        "{""requested"": $(Get-Requested), ""delivered"": $(Get-Delivered), ""denied"": $($State.Counts[5]), " +
        """failed"": $($State.Counts[6]), ""skipped"": $($State.Counts[7]), ""pending"": 0, " +
        """duplicates"": $(Get-Duplicates)}, ""files"": [")
    $user = ConvertTo-HtmlText $Header.user
    $listed = 0
    $separator = "`n"
    while ($entry = Read-Entry $Plan) {
        if (-not $State.Codes[$entry.Number]) { continue }
        $row = Get-Row $entry
        $size = ''
        if ($row.Size -ge 0) { $size = [string] $row.Size }
        Write-JsonRow $Json $entry $row $size $separator
        $separator = ",`n"
        $Html.Write("            <tr>`n")
        foreach ($cell in $entry.Uri, $entry.Path, $entry.Access, (Get-Status $entry $row)) {
            $Html.Write('                <td>' + (ConvertTo-HtmlText $cell) + "</td>`n")
        }
        $Html.Write("                <td>$user</td>`n                <td>$size</td>`n                <td>$($row.Sha256)</td>`n            </tr>`n")
        if ($row.Outcome -ceq 'delivered' -and $row.Sha256) {
            $listed++
            $name = $entry.Path.Replace('\', '\\').Replace("`n", '\n').Replace("`r", '\r')
            $mark = ''
            if ($name -cne $entry.Path) { $mark = '\' }
            $Sums.Write("$mark$($row.Sha256)  $name`n")
        }
    }
    $Html.Write("        </table>`n    </body>`n</html>`n")
    $Json.Write("`n], ""sha256sums"": {""file"": ""SHA256SUMS"", ""listed"": $listed, ""left_out"": $((Get-Delivered) - $listed)}}`n")
}

function Write-JsonRow([IO.TextWriter] $Json, $Entry, $Row, [string] $Size, [string] $Separator) {
    if (-not $Size) { $Size = 'null' }
    $sum = 'null'
    if ($Row.Sha256) { $sum = '"' + $Row.Sha256 + '"' }
    $public = 'null'
    if ($Entry.PublicOn) { $public = ConvertTo-JsonText $Entry.PublicOn }
    $Json.Write($Separator + '{"uri": ' + (ConvertTo-JsonText $Entry.Uri) + ', "path": ' + (ConvertTo-JsonText $Entry.Path) +
        ', "size": ' + $Size + ', "sha256": ' + $sum + ', "access": ' + (ConvertTo-JsonText $Entry.Access) +
        ', "outcome": "' + $Row.Outcome + '", "reason": ' + (ConvertTo-JsonText $Row.Reason) + ', "public_on": ' + $public + '}')
}

function Get-Status($Entry, $Row) {
    if ($Row.Outcome -ceq 'delivered') { return 'OK' }
    $reason = ''
    if ($Row.Reason) { $reason = ': ' + $Row.Reason }
    if ($Row.Outcome -cne 'denied') { return $Row.Outcome.Substring(0, 1).ToUpperInvariant() + $Row.Outcome.Substring(1) + $reason }
    $public = ''
    if ($Entry.PublicOn) { $public = " (becomes public on $($Entry.PublicOn))" }
    "Not Authorized$public$reason"
}

# Duplicates were counted over the whole plan.
function Get-Duplicates { if ((Get-Requested) -eq [long] $Header.files) { $Header.duplicates } else { 0 } }

function Write-HtmlHead([IO.TextWriter] $Html, [string] $Created) {
    $name = ConvertTo-HtmlText $FolderName
    $requested = Get-Requested
    $missing = $requested - (Get-Delivered)
    $said = "Complete: all $(Format-Files $requested) requested are here."
    if ($missing) {
        $said = "NOT COMPLETE: $missing of $(Format-Files $requested) requested $(if ($missing -eq 1) { 'is' } else { 'are' }) " +
            'not here; the Status column says why.'
    }
    $law = "$(Format-Files $requested) requested = $(Get-Delivered) delivered + $($State.Counts[5]) denied + " +
        "$($State.Counts[6]) failed + $($State.Counts[7]) skipped."
    $lines = $HtmlHead.Replace("`r", '').Replace('@NAME@', $name).Replace('@TOTAL@', $requested).Replace('@SAID@', $said)
    $twice = Get-Duplicates
    if ($twice -ne 0) { $law += "</p>`n        <p>$twice listed more than once $(if ($twice -eq 1) { 'was' } else { 'were' }) counted once." }
    $Html.Write($lines.Replace('@LAW@', $law).Replace('@CREATED@', $Created) + "`n")
}

$HtmlHead = @'
<!DOCTYPE html>
<html lang="en">
    <head>
        <meta charset="utf-8">
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
        <meta name="referrer" content="no-referrer">
        <meta name="color-scheme" content="light dark">
        <title>@NAME@</title>
        <style>
            body { font-family: system-ui, sans-serif }
            td { overflow-wrap: anywhere; unicode-bidi: isolate }
            td:nth-child(6) { text-align: right }
            td:nth-child(7) { font-family: monospace }
        </style>
    </head>
    <body>
        <h2>Manifest for File: @NAME@</h2>
        <h3>Total Files: @TOTAL@</h3>
        <p>@SAID@</p>
        <p>@LAW@</p>
        <p>Created @CREATED@. Checksums to run: sha256sum -c SHA256SUMS</p>
        <table cellspacing="0" cellpadding="4" rules="all" style="border-width:5px; border-style:solid; border-collapse:collapse;">
            <tr>
                <th scope="col">URI</th>
                <th scope="col">File</th>
                <th scope="col">Access</th>
                <th scope="col">Status</th>
                <th scope="col">Logged In User</th>
                <th scope="col">Size (bytes)</th>
                <th scope="col">SHA-256</th>
            </tr>
'@

# The last words: the law, what is missing and why, where the manifests lie.
function Show-Report([string] $Where) {
    Write-Result ("requested $(Get-Requested) = delivered $(Get-Delivered) + denied $($State.Counts[5]) + " +
        "failed $($State.Counts[6]) + skipped $($State.Counts[7])")
    if ($State.Counts[3]) {
        Write-Result "$($State.Counts[3]) of them $(if ($State.Counts[3] -eq 1) { 'was' } else { 'were' }) already here"
    }
    if ((Get-Delivered) -ne (Get-Requested)) {
        $plan = Open-Plan
        try {
            while ($entry = Read-Entry $plan) {
                if ($State.Codes[$entry.Number] -le 4) { continue }
                $row = Get-Row $entry
                $public = ''
                if ($row.Outcome -ceq 'denied' -and $entry.PublicOn) { $public = " It becomes public on $($entry.PublicOn)." }
                Write-Result ($row.Outcome.PadRight(9) + " $($entry.Path): $($row.Reason)$public")
            }
        } finally { $plan.Reader.Dispose() }
    }
    Write-Result $Where
}

# What is left is skipped; then the manifests and the last words. Returns the exit status.
function Complete-Run([int] $Signal) {
    [void] $Shared.Stop.TrySetResult($true)
    $until = [DateTime]::UtcNow.AddSeconds(5)
    foreach ($worker in $Workers) {
        while (-not $worker.Ends.IsCompleted -and [DateTime]::UtcNow -lt $until) { [Threading.Thread]::Sleep(20) }
    }
    Receive-Results
    for ($i = 1; $i -lt $State.Codes.Length; $i++) {
        if ($State.Codes[$i] -in 1, 2) { Set-Outcome $i 7 $Shared.Why }
    }
    try { [IO.File]::Delete($Shared.Parts + $Shared.Separator + 'room') } catch { $written = $false }
    $written = $true
    $where = "manifests: MANIFEST.HTML, MANIFEST.json, SHA256SUMS in $($Shared.Root)"
    try { Write-Manifests } catch {
        $written = $false
        $where = "the manifests could not be written: $((Get-Cause $_).Message)"
    }
    Show-Report $where
    if ($Signal) { return $Signal }
    if ($written -and (Get-Delivered) -eq (Get-Requested)) { 0 } else { 1 }
}

# Leave nothing but parts that a next run can go on with.
function Clear-Folder($Lock) {
    $Lock.Dispose()
    try {
        [IO.File]::Delete($Shared.Parts + $Shared.Separator + 'lock')
        [IO.File]::Delete($Shared.Parts + $Shared.Separator + 'room')
        $complete = (Get-Delivered) -eq (Get-Requested) -and (Get-Requested) -eq [long] $Header.files
        if ($complete) { [IO.Directory]::Delete($Shared.Parts, $true) } else { [IO.Directory]::Delete($Shared.Parts) }
    } catch { return }
}

# SIGTERM ends .NET without a word; this lets the run end first. A delegate that needs no PowerShell to run.
function Register-End {
    $call = [Linq.Expressions.Expression]
    $stop = $call::Call($call::Constant($Shared.Stop), [Threading.Tasks.TaskCompletionSource[bool]].GetMethod('TrySetResult'),
        [Linq.Expressions.Expression[]] @($call::Constant($true)))
    $wait = $call::Call($call::Constant($Ended), [Threading.ManualResetEventSlim].GetMethod('Wait', [type[]] @([int])),
        [Linq.Expressions.Expression[]] @($call::Constant(15000)))
    $arguments = [Linq.Expressions.ParameterExpression[]] @($call::Parameter([object]), $call::Parameter([EventArgs]))
    [AppDomain]::CurrentDomain.add_ProcessExit($call::Lambda([EventHandler], $call::Block($stop, $wait), $arguments).Compile())
}

# Whether this process runs this script and nothing else, so that it may be ended with the status of the script.
function Test-OwnProcess {
    foreach ($word in [Environment]::GetCommandLineArgs()) {
        try { if ([IO.Path]::GetFullPath($word) -eq [IO.Path]::GetFullPath($Self)) { return $true } } catch { continue }
    }
    $false
}

$WorkerFunctions = 'Get-Place', 'Get-Length', 'Move-Part', 'New-Sha256', 'ConvertTo-Hex', 'Get-Sha256', 'New-Result',
    'Get-Cause', 'Wait-Task', 'Wait-Seconds', 'Get-Origin', 'Get-Header', 'Send-One', 'Send-Get', 'Test-TokenGoes',
    'Test-Token', 'Test-TokenDead', 'Get-Validator', 'Clear-Part', 'Receive-File', 'Wait-Again', 'Wait-Pause',
    'Receive-Once', 'Get-Refusal', 'Get-RetryAfter', 'Get-Objection', 'Receive-Body', 'Copy-Body', 'Confirm-Part',
    'Receive-Batch', 'Complete-Entry', 'Receive-Pack', 'Read-Exactly', 'Expand-Pack', 'Read-Member', 'Invoke-Worker'
# A console of an old code page shows a question mark for what it does not know: an escape says more.
$Drawn = @{ Width = 0; Ascii = $false }
try { $Drawn.Ascii = [Console]::OutputEncoding.CodePage -notin 65000, 65001 } catch { $Drawn.Ascii = $true }
$Options = @{ Quiet = $false }
$Options = Read-Options @($args)
if ($Options.Help) { foreach ($line in $HelpText.Split([char] 10)) { Write-Result $line.TrimEnd() }; exit 0 }
$Header = Read-Header
if ($Header.name -cnotmatch '\A[A-Za-z0-9_][A-Za-z0-9._+-]*\z') { Stop-Start 'This script was edited. Download it again.' }
$Patterns = @(foreach ($pattern in $Options.Only) { ConvertTo-Regex $pattern })
$Here = $PWD.ProviderPath
$Base = [IO.Path]::GetFullPath([IO.Path]::Combine($Here, $Options.Dest))
$Folder = Get-Folder $Base $Header.name
$FolderName = [IO.Path]::GetFileName($Folder)
$Separator = [string] [IO.Path]::DirectorySeparatorChar
$Delay = 1.0
if ("$env:MAST_RETRY_DELAY" -cmatch '\A[0-9]{1,4}(\.[0-9]{1,3})?\z') { $Delay = [double]::Parse($env:MAST_RETRY_DELAY, $Invariant) }
$Shared = [hashtable]::Synchronized(@{
    Root = $Folder; Parts = $Folder + $Separator + '.parts'; Separator = $Separator; Windows = $Separator -ceq '\'
    LongPaths = (Test-LongPaths)
    Verify = $Options.Verify; Tries = $Options.Tries; Delay = $Delay
    Silence = [int] [Math]::Min($Options.Timeout * 1000, 2e9)
    Token = ''; TokenDead = $false; TokenCheck = $Header.token_check; TokenLock = [object]::new()
    TokenCheckDue = [DateTime]::MinValue; Origins = [string[]] @(foreach ($origin in $Header.origin) { Get-Origin ([Uri] $origin) })
    Pack = $Header.pack; Packs = [bool] $Header.pack; PackOrigin = ''
    Pauses = [hashtable]::Synchronized(@{}); Client = $null; Why = 'Not fetched: the run was interrupted.'
    Stop = [Threading.Tasks.TaskCompletionSource[bool]]::new()
    Work = [Collections.Concurrent.BlockingCollection[object]]::new(2 * $Options.Jobs)
    Results = [Collections.Concurrent.ConcurrentQueue[object]]::new()
})
if ($Header.pack) { $Shared.PackOrigin = Get-Origin ([Uri] $Header.pack) }
$State = New-State ([int] $Header.files)
$Workers = [Collections.ArrayList]::new()
$Ended = [Threading.ManualResetEventSlim]::new($false)
$Survey = Measure-Plan
if ($Options.Only.Count -and -not (Get-Requested)) { Stop-Start "No file of this script matches --only $($Options.Only -join ' ')" }
Show-Survey $Survey
if ($Options.DryRun) { Show-Missing; exit 0 }
$Shared.Client = New-Client
$Lock = Open-Folder $Survey
$Status = -1
$Begun = $false
try {
    Set-Token $Survey
    Restore-Measures
    $Begun = $true
    if (-not $Shared.Windows) { Register-End }
    Invoke-Workers
    $Status = Complete-Run $(if ($Shared.Stop.Task.IsCompleted -and -not $Shared.Why.StartsWith('The disk')) { 143 } else { 0 })
} finally {
    # Here without a status after Ctrl-C: the pipeline is stopping, and this is the last that is run of it.
    if ($Begun -and $Status -lt 0) { $Status = Complete-Run 130 }
    Clear-Folder $Lock
    $Ended.Set()
    if ($Status -eq 130 -and (Test-OwnProcess)) { [Environment]::Exit(130) }
}
exit $Status
