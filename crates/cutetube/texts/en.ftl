### Everything that people read on the site, in English.
###
### A message is named after the page or part that shows it, and what it is there. What begins with `script-` is for the
### scripts of pages: arguments only, no choices. Where a message has markup, its arguments have none.

## Everywhere

common-search = Search
common-upload = Upload
common-administration = Administration
common-log-in = Log in
common-sign-up = Sign up
common-keyboard-shortcuts = Keyboard shortcuts
common-prepared = Prepared so far
common-download = Download
common-tags = Tags
common-save = Save
common-videos = Videos
common-older-videos = Older videos
common-length = Length
common-uploaded = Uploaded
common-captions = Captions
common-apply = Apply
common-password = Password
common-choose-password = Choose another password
common-confirm-address = Confirm your address
common-new-password = New password
common-new-password-again = New password again
common-change-password = Change password
common-user-name = User name
# What somebody may do: watch, upload as well, or manage everything.
common-role = { $role ->
    [viewer] viewer
    [creator] creator
   *[admin] admin
}
common-email = E-mail address
# Said of an e-mail address.
common-confirmed = confirmed
# Said of an e-mail address.
common-not-confirmed = not confirmed
common-uploaded-files = Uploaded files
common-minutes = Minutes of video
common-name = Name
common-first-name = First name
common-last-name = Last name
common-video = Video
common-title = Title
common-description = Description
common-your-videos = Your videos
common-state = State
# Who may watch a video: everybody, whoever has the address, or its owner.
common-visibility = { $visibility ->
    [public] public
    [unlisted] unlisted
   *[private] private
}
common-poster-of = Poster of the video
common-statistics = Statistics
common-comments = Comments
common-delete = Delete
common-keep = Keep
common-file = File
common-figures = Figures
common-days = Days
common-last-days = { $days } days
common-playbacks = Playbacks
common-ago = { $time } ago
common-of = { $part } of { $all }
common-over-time = Over time
common-span = Span of time
common-by-rung = By rung
# One of the sizes that a video is made in.
common-rung = Rung
common-by-video = By video

## Around every page

base-skip = Skip to content
base-search = Search videos
# Names the links at the top to screen readers.
base-navigation = Main
# Where people manage their own videos.
base-studio = Studio
base-log-out = Log out
base-no-assets = Styles and players are missing: this program was built without them. Run <code>make build</code>.
base-footer = CuteTube, free software under the Apache licence 2.0

## List of keyboard shortcuts

# The name of the key.
keys-space = Space
keys-play = Play or pause
keys-leap = 10 seconds back, 10 seconds on
keys-step = 5 seconds back, 5 seconds on
keys-tenth = To the beginning, to 10 %, … to 90 %
keys-volume = Louder, quieter, with the focus in the player
keys-sound = Sound off or on
keys-captions = Captions off or on
keys-speed = Slower, faster
keys-fullscreen = Whole screen
keys-theatre = Theatre mode: as wide as the window
keys-picture-in-picture = Picture in picture
keys-list = This list
keys-digits = <kbd>0</kbd> to <kbd>9</kbd>
keys-everywhere = Anywhere on the page. Otherwise only with the focus in the player.
keys-close = Close

## Where a video plays

stage-waiting = This video is being prepared
stage-starts = It starts here by itself as soon as it is ready.
stage-failed = This video cannot be played
stage-no-script = The player needs JavaScript. Without it, open <a href="{ $hls }">the video as an HLS stream</a> in Safari or in a player such as VLC.

## Watch page

# The script writes the time into the element.
watch-resumed = You stopped at <span class="number" data-time></span>, and it goes on from there.
watch-start-over = Start from the beginning
watch-share = Share
watch-share-link = Link
watch-copy-link = Copy link
watch-copy-link-at = Copy link at this time
watch-share-code = For a page of yours
watch-copy-code = Copy code
watch-edit = Edit
watch-chapters = Chapters
watch-up-next = Up next
# Of a file to download: the one that was uploaded.
watch-original = As it was uploaded
watch-failed = It could not be processed.

## Comments

comments-liked = You like this
# A button: to like the video.
comments-like = Like
comments-closed = The comments are closed.
comments-say = Say something
comments-post = Post
comments-log-in = <a href="{ $address }">Log in</a> to say something.
comments-answers = Answers to { $author }
comments-answer = Answer { $author }
comments-your-answer = Your answer
comments-older = Older comments
comments-edited = edited
comments-more = More<span class="visually-hidden"> about what { $author } says</span>
comment-title = Comment
comment-heading = Comment of { $author }
comment-reported = Thank you. Whoever runs this site will look at it.
comment-back = Back to the video
comment-edit = Say it otherwise
comment-delete-note = It goes at once, with all its answers.
comment-delete = Delete this comment
comment-report-reason = What is wrong with it?
comment-report = Report it
comment-refused-title = Not posted
comment-refused = This was not posted
comment-refused-text = What you wrote
# $number is $count as it is shown, with its digits in threes.
comments-count = { $count ->
    [0] No comments yet
    [one] { $number } comment
   *[other] { $number } comments
}
comments-likes = { $count ->
    [0] No likes yet
    [one] { $number } like
   *[other] { $number } likes
}
comment-signed-out = You are not signed in any more. Log in in another window, and then post this again.
comment-answered-gone = What you answer was taken away in the meantime.

## Lists of videos

home-own = Your uploads on their way
home-none = There are no videos yet. <a href="/upload">Upload the first one.</a>
channel-feed = Videos of { $name }
channel-feed-link = Feed (RSS)
channel-own = Others see only what is public of this. <a href="/studio">Manage your videos</a>
channel-none = There is nothing to watch here yet. <a href="/upload">Upload a video.</a>
files-title = Files
files-none = There are no videos yet.
files-older = Older files
home-newest = Newest videos
home-most-watched = Most watched of the last 30 days
# State of a video.
home-own-waiting = waiting
home-own-preparing = being prepared
home-own-failed = failed

## Search

search-title = { $words } – search
search-heading = Videos for “{ $words }”
search-narrow = Narrow the search down
search-any-length = Any length
search-any-time = Any time
search-channel = Channel
search-captions-any = With or without
search-captions-only = Only with captions
search-order = Order
search-best = Best match first
search-how = Type words of a title, a description, a tag, or of what is said, into the field at the top.
search-none-narrow = No video is like that. Try it <a href="{ $address }">without the filters</a>.
search-none = No video is like that. Try fewer words, or only the beginning of one.
search-more = More videos
search-short = Under 4 minutes
search-medium = 4 to 20 minutes
search-long = Over 20 minutes
search-day = Past day
search-week = Past week
search-month = Past month
search-year = Past year
search-newest = Newest first
search-oldest = Oldest first
search-longest = Longest first
search-shortest = Shortest first

## Signing in and up

login-credential = User name or e-mail address
login-forgot = Forgot your password?
login-no-account = No account yet? <a href="/signup">Sign up</a>
signup-approval = An administrator lets new people in. A letter tells you when.
signup-closed = Sign-up is closed on this server. Ask the people who run it for an account.
signup-have-account = Have an account? <a href="/login">Log in</a>
signup-welcome = Welcome
signup-thanks = Thank you
forgot-title = Forgotten password
forgot-sent = If an account has the address { $email }, a letter with a link is on its way to it. It may take a few minutes.
forgot-none-arrived = Does none arrive? Look among the unwanted mail, or <a href="/forgot">try another address</a>.
forgot-email = E-mail address of your account
forgot-send = Send me a link
forgot-known = Know it after all? <a href="/login">Log in</a>
code-reset-title = Another password
code-reset-done = Your password is changed. You are signed out everywhere, and your API tokens have ended.
code-verify-done = Your address is confirmed.
code-see-account = See your account
code-from-letter = Code from the letter
code-password-hint = At least 8 characters.
code-confirm = Confirm
code-too-old = Is the code too old? <a href="/forgot">Ask for another letter</a>
signup-invitation-code = Invitation code
signup-password-again = Password again
login-wrong = User name, e-mail address or password is wrong.
code-passwords-differ = The two passwords differ.

## When there is nothing to show

failure-see-newest = See the newest videos
failure-malformed = This address is not one of ours
failure-malformed-why = It has characters in it that cannot be looked for.
failure-too-many = That was a bit fast
failure-nothing = There is nothing here
failure-nothing-why = The video may have been deleted, or the address has a typing error in it.
failure-internal = Something went wrong on our side
failure-internal-why = It has been logged. Please try again in a moment.
failure-foreign = This form came from another site
failure-foreign-why = Open it here and try again.
failure-not-yours = This is not for you
failure-not-yours-why = Log in as somebody who may do this.
failure-signed-out = Please log in
failure-signed-out-why = You are not signed in any more.

## Account page

account-title = Your account
account-verify = Send the letter that confirms it again
account-change-name = Change name
account-picture = Picture
account-choose-picture = Choose a picture
account-picture-hint = JPEG, PNG or WebP, at most 5 MiB. Others see the middle of it beside what you say and publish.
account-show-picture = Show this picture
account-hide-picture = Show no picture
account-present-password = Present password
account-password-note = Other devices are signed out.
account-new-address = New address
account-address-note = It is yours when you use the link in the letter to it.
account-change-address = Change address
# E-mails that the site sends.
account-letters = Letters
# The messages account-letter-… go on with this.
account-letters-when = Write to me when
account-letters-note = Letters about the safety of your account come in any case.
account-sessions = Where you are signed in
account-this-device = this device
account-session = Since { $since }, last used { $used }
account-end-session = Sign out there
account-end-sessions = Sign out everywhere
account-tokens = API tokens
account-tokens-what = What programs sign in with: <code>Authorization: Bearer …</code>. Each may do only what you tick.
account-token-made = The token is made. Copy it now; it is shown this once:
account-end-token = End this token
account-token-name = What it is for
# Above the things that a token may do.
account-token-may = It may
account-scope-read = <code>read</code>: see what only you may see
account-scope-upload = <code>upload</code>: send videos
account-scope-manage = <code>manage</code>: change and delete what is yours
account-scope-admin = <code>admin</code>: what administrators do
account-token-days = Good for how many days
account-token-days-hint = Empty is for ever.
account-make-token = Make a token
account-leave = Take everything along, or leave
account-export = <a href="/api/v5/me/export" download>Download what is kept of you</a>: a JSON file with the addresses of your media.
account-delete-note = Your videos are deleted, and then your account. Nobody can bring them back.
account-delete-sure = Delete my account and all my videos.
account-delete = Delete account
account-name-done = Your name is changed.
account-picture-done = This is how others see you from now on.
account-picture-hidden = You show no picture any more.
account-letters-done = You get the letters that you have chosen, and no others.
account-password-done = Your password is changed, and other devices are signed out.
account-address-done = A letter is on its way to the new address. Its link makes the address yours.
account-verify-done = A letter is on its way, unless your address is confirmed already.
account-session-ended = That device is signed out.
account-token-ended = That token is refused from now on.
account-done = Done.
account-letter-ready = a video of mine is ready
account-letter-failed = a video of mine could not be processed
account-letter-progress = something else becomes of my videos, where this site tells of it
account-letter-comment = somebody says something about a video of mine
account-letter-reply = somebody answers me
account-letter-report = it is decided about a comment that I reported
account-passwords-differ = The two new passwords differ.
account-token-used = Last used { $date }
account-token-never-used = Never used
# $used is account-token-used or account-token-never-used.
account-token-until = { $used }, good until { $date }
account-too-many-tokens = There may be { $most } tokens at most: end one of them first.

## Upload page

upload-heading = Upload a video
upload-hint = MP4 or MOV, up to { $limit }. Choose it, or drop it here.
upload-description-hint = What people should know before they watch. May stay empty.
upload-watch = Watch it
upload-visibility = Who may watch
upload-public = Everybody
upload-unlisted = Everybody who has the address
upload-private = Nobody but me

## Studio

studio-narrow = Narrow the list down
studio-words = Words
studio-any-state = Any state
studio-visibility = Visibility
studio-any-visibility = Any
studio-none-narrow = None of your videos is like that. <a href="/studio">See all of them.</a>
studio-none = You have no videos yet. <a href="/upload">Upload one.</a>
studio-choose = Choose { $title }
studio-ticked = With those that are ticked
studio-make-public = Make public
studio-make-unlisted = Make unlisted
studio-make-private = Make private
studio-delete-several = Delete…
studio-video-title = { $title } – studio
studio-not-saved = Nothing is saved yet. What is to be put right stands beside the fields.
studio-description-hint = At most 5000 characters. Lines such as <code>0:00 Beginning</code> and <code>1:30 The sea</code> become chapters.
studio-tags-hint = Words with commas between, at most 20.
studio-who = Who may see it
studio-downloads = What viewers may take home
studio-downloads-protected = Of a protected video nobody takes anything home.
studio-downloads-hint = You may always have everything.
studio-another-poster = Choose another poster
studio-retry = Try again
studio-how-made = How it is made
studio-open = Open its page
studio-owner = It belongs to <a href="{ $address }">{ $name }</a>.
studio-views = Views
# $views is common-views.
studio-views-all = { $views } in all.
studio-views-none = Nobody has watched it yet.
studio-views-note = A viewer counts once a day.
studio-views-days = By day, of the last 30
studio-captions-none = There are none yet.
studio-captions-button = Captions…
studio-comments-open = Whoever has signed in may say something.
studio-comments-close = Close the comments
studio-comments-closed = Nobody may say anything. What was said stays.
studio-comments-reopen = Open the comments
studio-delete-one = Delete this video…
studio-choose-deed = Choose what is to be done.
studio-tick = Tick the videos first that you mean.
studio-now-public = { $count ->
    [one] { $count } video is public now.
   *[other] { $count } videos are public now.
}
studio-now-unlisted = { $count ->
    [one] { $count } video is unlisted now: for whoever has the address.
   *[other] { $count } videos are unlisted now: for whoever has the address.
}
studio-now-private = { $count ->
    [one] { $count } video is private now: for you alone.
   *[other] { $count } videos are private now: for you alone.
}
studio-now-deleted = { $count ->
    [one] { $count } video is deleted.
   *[other] { $count } videos are deleted.
}
studio-waiting = Waiting
studio-preparing = Being prepared
studio-ready = Ready
studio-failed = Failed
studio-deleting = Being deleted
studio-public = Public: listed, for everybody
studio-unlisted = Unlisted: for whoever has the address
studio-private = Private: for you alone
studio-saved = Your changes are saved.
studio-retried = It is tried again from the uploaded file.
studio-opened = Whoever has signed in may comment on it.
studio-closed = Nobody may comment on it any more. What was said stays.
studio-changed = Somebody has changed this video since you opened it. Save again to put yours in place of theirs.
studio-not-failed = It has not failed, or is being tried again already.
# Said of the protection of a video.
studio-protection-none = none
studio-protection-cenc = encrypted, cenc
studio-protection-cbcs = encrypted, cbcs
studio-protection = Protection
studio-downloads-default = As this site has it for every video
studio-downloads-nothing = Nothing
studio-downloads-renditions = The versions made of it
studio-downloads-original = Also the file as it was uploaded

## Studio: deleting videos

deletion-nothing = Nothing is ticked
deletion-tick = Tick the videos first that you mean. <a href="/studio">Back to your videos</a>
deletion-heading = { $count ->
    [one] Delete this video?
   *[other] Delete these { $count } videos?
}
deletion-note = { $count ->
    [one] Nobody can bring it back, and every link to it stops working.
   *[other] Nobody can bring them back, and every link to them stops working.
}
deletion-delete = Delete for good

## Studio: captions

captions-title = Captions of { $title } – studio
captions-not-added = Nothing is added yet. What is to be put right stands beside the fields.
captions-add = Add captions
captions-file-hint = WebVTT (.vtt) or SubRip (.srt) in UTF-8, at most 2 MB. What you choose is shown on the video before you send it.
captions-language = Language
captions-language-hint = A tag such as en, de or pt-BR. Captions in a language that is there already take the place of the others.
captions-name-hint = What viewers choose it by. Left empty, it is what the language is called.
captions-kind = What they tell
captions-add-button = Add
# Heading of the list of captions.
captions-there-are = There are
captions-none = No captions yet. They help who does not hear, who does not understand, and who looks for a word: what is said can be found by search.
captions-pending = on its way to players
captions-download = Download<span class="visually-hidden"> { $name }</span>
captions-remove = Remove<span class="visually-hidden"> { $name }</span>
captions-added = The captions are there. Players show them within seconds.
captions-removed = The captions are gone. Players forget them within seconds.
captions-too-long = The file is longer than 2 MB.
captions-incomplete = The form did not arrive as a whole. Send it again.
captions-subtitles = What is said
captions-captions = What is to be heard, for who does not hear
captions-count = { $count ->
    [0] No captions yet
    [one] { $number } caption
   *[other] { $number } captions
}

## Studio: poster

poster-title = Poster of { $title } – studio
poster-heading = Poster
poster-shown = As it is
poster-use = It stands for the video in lists, in the player, in feeds, and where its address is shared.
poster-withdraw = Back to the one made with the video
poster-moment = A moment of the video
poster-protected = This video is protected. A poster is for everybody, so that no picture of the video is decrypted for it. Send a picture instead.
poster-time = Time
poster-time-hint = Such as 1:30 or 2.5; the video has a length of { $length }.
poster-take = Take this moment
poster-picture = A picture of yours
poster-picture-hint = JPEG, PNG or WebP, 8 MiB at most. Best with 1280 × 720 pixels.
poster-send = Send this picture
poster-not-yet = A poster can be chosen once the video plays.
poster-sent = Your picture is the poster now.
poster-taken = This moment is the poster now.
poster-withdrawn = The poster is the one again that was made with the video.
poster-no-time = Type a time such as 1:30, or a number of seconds such as 2.5.
poster-made = It was made with the video.
poster-yours = It is a picture of yours.
poster-at = It is what is seen at { $time }.

## How a video is processed

processing-title = Processing of { $title } – studio
processing-heading = Processing
processing-how = The video is cut into pieces along its length, and each is made in several sizes, by whichever worker has time.
processing-stages = Stages
# How far a video is, before a percentage.
processing-state = { $state ->
    [uploaded] uploaded
    [processing] processing
    [ready] ready
    [failed] failed
   *[deleting] deleting
}
# So many steps of a stage are done.
processing-recorded = { $done } of { $all } recorded
processing-pieces = Pieces
processing-no-plan = There is no plan yet.
picture-region = Picture of the pieces
picture-title = Pieces over the timeline
# Below the picture, before the numbers of segments.
picture-segment = segment
# A letter for each state, which stands in the picture.
picture-waits-letter = W
picture-waits = waits
picture-runs-letter = R
picture-runs = runs
picture-done-letter = D
picture-done = done
picture-dead-letter = X
picture-dead = given up
picture-cancelled-letter = C
picture-cancelled = cancelled
# $state is one of admin-jobs-….
picture-cell = { $rendition }, segments { $first } to { $last }: { $state }
# So many pieces are in a state, which is one of admin-jobs-….
picture-count = { $count } { $state }
# $counts is several of picture-count.
picture-description = The pieces of the video over its timeline: { $counts }.

## Plots

plot-time = time, UTC
plot-no-figures = Figures: none
plot-figures = { $title }: figures
plot-from = From (UTC)
# The unit, seconds.
plot-seconds = s
plot-median = median
plot-95 = 95 %
# The unit, percent.
plot-percent = %

## Studio: statistics

statistics-title = Statistics of { $title } – studio
statistics-none = Nobody has watched it in the last { $days } days. As soon as somebody does, it is seen here by day and by part of the video.
# $views is common-views, $times is statistics-times, $time a length such as 1:02:03.
statistics-sum = In the last { $days } days: { $views }, played { $times }, for { $time } in all.
statistics-retention = How far people watch
statistics-of-100 = of 100 who began
statistics-retention-description = Of 100 playbacks, how many have shown each part of the video, from its beginning to its end.
statistics-time = time in the video
statistics-retention-figures = How far people watch: figures
statistics-from = From
statistics-of-all = Of all
statistics-note = A viewer counts once a day. What is kept are sums by day: nobody, not even this site, knows who watched what.
# So often a video was played.
statistics-times = { $count ->
    [one] { $count } time
   *[other] { $count } times
}
statistics-views-title = Views by day
statistics-views-description = How many viewers the video had on each day, each counted once.
statistics-watched-title = Watch time by day
statistics-watched-description = For how many minutes the video was really played on each day.
# What is counted in a plot.
statistics-views = views
# The unit, minutes.
statistics-minutes = min
statistics-watch-time = watch time

## Administration

admin-jobs = Jobs
admin-jobs-what = What the queue is doing, what was given up, and pauses.
admin-quality = Quality
admin-quality-what = How well videos play.
admin-storage = Storage
admin-storage-what = Which videos and whose take up how much.
admin-people = People
admin-people-what = Accounts, quotas and invitations.
admin-comments-what = What was reported, and what was decided.
admin-videos-what = Your own. Everybody's can be edited from their pages.
admin-configuration = Configuration
admin-configuration-what = Every setting, and where its value comes from.
admin-api = API
admin-api-what = The same for programs.

## Administration: comments

admin-comments-heading = Reported comments
admin-comments-none = Nobody has reported anything.
admin-comments-about = { $author }, about <a href="{ $address }">{ $title }</a>
# By so many people.
admin-comments-reported = { $count ->
    [one] Reported once, first on { $date }: “{ $reason }”
   *[other] Reported by { $count }, first on { $date }: “{ $reason }”
}
admin-comments-remove = Remove<span class="visually-hidden"> what { $author } says</span>
admin-comments-keep = Keep<span class="visually-hidden"> what { $author } says</span>
admin-comments-decided = Decided
admin-comments-nothing = Nothing yet.
admin-comments-table = What was decided, as a table
admin-comments-column-when = When
admin-comments-column-who = Who
admin-comments-column-what = What
admin-comments-column-whose = Of whom
admin-comments-column-text = Comment
admin-comments-decision = { $decision ->
    [removed] removed
   *[kept] kept
}

## Administration: configuration

admin-configuration-note = As the node has it that answers: version { $version }. <code>cutetube config check</code> prints the same. Secrets are not shown.
admin-configuration-table = Settings: { $section }
admin-configuration-setting = Setting
admin-configuration-value = Value
admin-configuration-from = From
admin-configuration-not-set = not set
admin-configuration-default = default

## Administration: jobs

admin-job-title = Job { $id }
admin-all-jobs = All jobs
admin-job-queue = Queue
admin-job-priority = { $queue }, priority { $priority }
admin-attempt = Attempt
admin-job-attempts = { $attempt } of { $attempts }; { $failures } of { $most } failed
admin-worker = Worker
admin-job-enqueued = Enqueued
admin-job-run-time = Run time of the attempt
admin-job-done = Done
admin-job-error = Why the last attempt failed
admin-job-retry-video = The whole video is processed again, from its source.
admin-job-retry-job = The job gets all its attempts again.
admin-retry = Retry
admin-job-expedite-note = It goes before everything that nobody waits for.
admin-job-expedite = Expedite
admin-job-cancel-video = Stop everything that is done for this video. Its owner reads that an administrator stopped it.
admin-job-cancel-job = End this job for good.
admin-job-cancel = Cancel
admin-jobs-queues = Queues
admin-jobs-paused = paused
admin-jobs-waiting = waiting
admin-jobs-running = running
admin-jobs-given-up = given up
admin-jobs-longest-wait = longest wait
admin-jobs-resume = Resume<span class="visually-hidden"> { $queue }</span>
admin-jobs-pause = Pause<span class="visually-hidden"> { $queue }</span>
admin-jobs-workers = Workers
admin-jobs-no-worker = No worker is running: nothing is processed. Start <code>cutetube worker</code>, or <code>cutetube serve</code> without <code>--role web</code>.
admin-jobs-workers-table = Workers, as a table
admin-jobs-machine = Machine
admin-jobs-slots = Slots in use
admin-jobs-oldest = Oldest job
# How long ago the worker was heard of.
admin-jobs-heard = Heard of
# For how long the worker has been running.
admin-jobs-up = Up for
admin-jobs-version = Version
# So many of the slots, and of those that are spare, are in use.
admin-jobs-slots-used = { $used } of { $slots } + { $spare }
admin-jobs-running-title = Running
admin-jobs-nothing-runs = Nothing runs at present.
admin-jobs-running-table = Running jobs, as a table
admin-job = Job
admin-jobs-progress = Progress
# For how long it has been running.
admin-jobs-for = For
admin-jobs-lease = Lease ends
admin-jobs-lease-in = in { $time }
admin-jobs-kind = Kind of job
admin-jobs-given-up-title = Given up
admin-jobs-none-given-up = No job was given up.
# After the name of a job.
admin-jobs-of-video = of <a id="dead-video-{ $id }" href="/admin/jobs/videos/{ $video }">{ $title }</a>
admin-jobs-after = after { $attempt } of { $attempts } attempts
# On which worker it failed.
admin-jobs-on = on <code>{ $worker }</code>
admin-jobs-said = What the program said
admin-jobs-retry = Retry<span class="visually-hidden"> { $kind } { $id }</span>
admin-jobs-more = There are more: <code>/api/v5/admin/jobs?state=dead</code> lists all.
admin-video-title = Work on { $title }
admin-video-page = Its page
admin-video-pieces = Pieces, as a table
admin-video-what = What
admin-video-run-time = Run time
admin-job-too-late = That cannot be done any more: the job, or its video, is in another state by now.
admin-jobs-ended = Jobs ended per { $time }
admin-jobs-ended-description = Jobs of all kinds that are done, and above them those that were given up.
admin-jobs-unit = jobs
# State of a job.
admin-jobs-done = done
admin-jobs-run = Run time of { $kind } jobs
admin-jobs-run-description = How long the last attempt took: half of them were below the first line, 95 of 100 below the second.
admin-jobs-wait = Waiting time of { $kind } jobs
admin-jobs-wait-description = How long they were due before they started: half of them were below the first line, 95 of 100 below the second.
admin-jobs-cancelled = cancelled
admin-piece-segments = segments { $first } to { $last } of { $renditions }
admin-piece-all = all of { $rendition }
admin-piece-plan = the plan
admin-piece-manifests = the manifests
admin-piece-captions = the manifests, with other captions
admin-piece-end = the end

## Administration: quality

admin-quality-note = As players tell it when a page is left: nothing about who watched. What is older than { $days } days is forgotten.
admin-quality-only = Only <strong>{ $title }</strong>.
admin-quality-all = All videos
admin-quality-none = Nothing was played.
admin-quality-table = { $title }, as a table
admin-quality-never = Never started
admin-quality-errors = With errors
admin-quality-start = Start, median
admin-quality-start-most = Start, 95 %
admin-quality-wait = Waiting, median
admin-quality-wait-most = Waiting, 95 %
admin-quality-share = Share of waiting
admin-quality-changes = Changes of rung
admin-quality-per-day = Playbacks per day
admin-quality-per-day-description = Playbacks that showed a picture, and above them those that never did.
admin-quality-first = Time to the first picture
admin-quality-first-description = Half of the playbacks of a day started within the first line, 95 of 100 within the second.
admin-quality-waiting = Waiting for media
admin-quality-waiting-description = Of 100 seconds in front of a player, how many were spent waiting after it had started.
# What is counted in a plot.
admin-quality-playbacks = playbacks
admin-quality-started = started
admin-quality-unstarted = never started
# Of the time in front of a player, what was spent waiting.
admin-quality-waited = share
# Of playbacks that never showed one.
admin-quality-no-picture = no picture

## Administration: storage

admin-storage-total = What is published takes up { $size }. What is being made, and what waits to be removed, is not counted.
admin-storage-nothing = Nothing is published yet.
admin-storage-rungs = By rung, as a table
admin-storage-share = Share of all bytes
admin-storage-size = Size
# Files in the store.
admin-storage-objects = Objects
admin-storage-of-1000 = { $share } of 1000
admin-storage-people = By person
admin-storage-nobody = Nobody has uploaded anything yet.
admin-storage-people-table = By person, as a table
admin-storage-person = Person
admin-storage-media = Media
admin-storage-together = Together
admin-storage-order = Order of the videos
admin-storage-no-video = There is no video here.
admin-storage-videos-table = By video, as a table
# Whose video it is.
admin-storage-of = Of
admin-storage-further = Further videos
admin-storage-largest-media = Largest media
admin-storage-largest-files = Largest files
admin-storage-newest = Newest
# Of the file that was uploaded.
admin-storage-not-kept = not kept

## Administration: people

admin-people-all = All people
# Of an account: it may be used, an administrator has to let it in, it is shut, or it is being deleted.
admin-people-standing = { $standing ->
    [active] active
    [waiting] waiting
    [suspended] suspended
   *[leaving] leaving
}
admin-people-role = Role
admin-people-bytes = Bytes of files
admin-people-since = Since
admin-people-quota = Quota
admin-people-quota-note = Nothing is what holds for everybody; 0 is as much as they like.
admin-people-set-quota = Set quota
admin-people-yourself = This is your own account: role and standing are for another administrator to decide.
admin-people-may = What they may do
admin-people-set-role = Give this role
admin-people-let-in = Let in
admin-people-approve-note = A letter tells them.
admin-people-approve = Approve
admin-people-suspended = Suspended
admin-people-restore-note = They can use the account again.
admin-people-restore = Restore
admin-people-suspend = Suspend
admin-people-suspend-note = They are signed out, and cannot come in. Their videos stay.
admin-people-delete-sure = Delete the account and all its videos. Nobody can bring them back.
admin-people-has = User name or address has
admin-people-standing-label = Standing
admin-people-any = any
admin-people-find = Find
admin-people-none = Nobody is like that.
admin-people-since-date = Since { $date }
admin-people-older = Older accounts
admin-people-no-role = There is no such role.
admin-people-no-number = Enter a whole number, or nothing for what holds for everybody.
admin-people-own = This is your own account: another administrator has to do that.
admin-people-too-late = That cannot be done any more: the account is in another standing by now.

## Administration: invitations

admin-invites = Invitations
admin-invites-not-asked = They are asked for only where <code>accounts.signup</code> is <code>invite</code>; here it is something else.
admin-invites-made = The invitation is made. Send this link; it is shown this once:
admin-invites-used = { $uses } of { $most } used, for a <span class="tag">{ $role ->
    [viewer] viewer
    [creator] creator
   *[admin] admin
}</span>
admin-invites-until = Good until { $date }
admin-invites-end = Take back
admin-invites-note = Whom or what it is for
admin-invites-accounts = Accounts
# Before a choice of roles.
admin-invites-role = They become
admin-invites-invite = Invite

## Dates, numbers and sizes

common-date = { $day } { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[12] December
} { $year }
# The same in short, without a year.
common-day = { $day } { $month ->
    [1] Jan
    [2] Feb
    [3] Mar
    [4] Apr
    [5] May
    [6] Jun
    [7] Jul
    [8] Aug
    [9] Sep
    [10] Oct
    [11] Nov
   *[12] Dec
}
# $number is $count as it is shown, with its digits in threes.
common-views = { $count ->
    [0] no views
    [one] { $number } view
   *[other] { $number } views
}
# Fewer than 1000.
common-bytes = { $bytes } bytes

## Letters

mail-choices = You choose which letters you get, and turn this one off, here:
mail-greeting = Hello { $name },
# Subject of a letter.
mail-ready = “{ $title }” is ready
mail-ready-sentence = Your video “{ $title }” is ready to be watched.
mail-failed = “{ $title }” could not be processed
mail-failed-sentence = Your video “{ $title }” could not be processed.
mail-uploaded = “{ $title }” has arrived
mail-uploaded-sentence = Your video “{ $title }” has arrived completely.
mail-processing = “{ $title }” is being processed
mail-processing-sentence = Your video “{ $title }” is being processed.
mail-deleted = “{ $title }” was deleted
mail-deleted-sentence = Your video “{ $title }” was deleted.
# A video, in the messages below, which call it $title.
mail-video = “{ $title }”
mail-video-gone = a video that is gone
# What somebody has said.
mail-quote = “{ $text }”
# The same, where it is too long.
mail-quote-cut = “{ $text }…”
mail-comment = { $author } says something about { $title }
mail-comment-sentence = { $author } says about your video { $title }:
mail-reply = { $author } answers you
mail-reply-sentence = { $author } answers what you said about { $title }:
mail-report = What became of your report
mail-report-sentence = You reported what { $author } said about { $title }:
mail-report-removed = It was removed. Thank you for telling us.
mail-report-kept = It may stay: whoever runs this site finds nothing wrong with it.
mail-code = Where it asks for a code, that is { $code }
mail-not-you = If you did not ask for this, do nothing: nothing has changed.
mail-confirm = Your account is made. Please confirm that this address is yours.
mail-confirm-within = Open this page within { $minutes } minutes to confirm it.
mail-confirm-new-subject = Confirm your new address
mail-confirm-new = Somebody, most likely you, wants this to be the address of their account.
mail-reset = Somebody, most likely you, wants another password for your account.
mail-reset-within = Open this page within { $minutes } minutes to choose one.
mail-password-subject = Your password was changed
mail-password = The password of your account was changed, and other devices were signed out.
mail-password-not-you = If that was not you, choose another one at once: log in here, or say that you forgot it.
mail-email-subject = Your address is about to change
mail-email = Somebody who knows your password wants your account to have another address.
mail-email-not-you = If that was not you, log in here and choose another password.
mail-approved-subject = You are let in
mail-approved = An administrator has let you in. You can log in now.

## Script: the player

script-player-unplayable = This browser cannot play this video.
script-player-theatre = Theatre mode
script-player-captions-off = Captions off
script-player-captions-on = Captions on
script-player-captions-none = This video has no captions
# $name is what the captions are called, a language mostly.
script-player-captions = Captions: { $name }
# What captions are called that are looked at before they are added.
script-player-captions-preview = Preview
script-player-stopped = The player stopped. Reload the page to try again.
script-player-network = The video could not be loaded. Check your connection and reload the page.
script-player-error = This browser could not play the video (Shaka Player { $code }).
script-player-paused = Paused
script-player-playing = Playing
script-player-back = { $seconds } seconds back
script-player-on = { $seconds } seconds on
script-player-volume = Volume { $percent } %
script-player-speed = Speed { $rate }
script-player-sound-off = Sound off
script-player-sound-on = Sound on
script-player-to = To { $percent } %
# Theatre mode is off.
script-player-usual-size = Usual size
script-player-unknown-protection = This video is protected in a way that this browser does not know. Try another browser.
script-player-no-licence = The licence for this video could not be fetched. Check your connection and reload the page.
script-player-wrong-licence = The licence for this video does not open it. Tell the administrator.
script-player-licence-ended = The licence for this video has ended. Reload the page and play again.
script-player-copied = Copied

## Script: captions before they are added

script-captions-shown = The player shows the file that you chose. Nobody else sees it before you add it.
script-captions-not-shown = The player cannot show this file. Adding it tells what is wrong with it.

## Script: the upload page

script-upload-kind = Only .mp4 and .mov files are accepted.
script-upload-empty = The file is empty.
script-upload-too-large = The file is larger than is allowed here.
script-upload-unfinished = Not finished: { $names }. Choose the same file again, and it goes on where it was.
script-upload-progress-of = Progress of { $name }
script-upload-sent = All of it is sent …
script-upload-progress = Uploading: { $percent } %
script-upload-progress-seconds = Uploading: { $percent } %, { $seconds } s left
script-upload-progress-minutes = Uploading: { $percent } %, { $minutes } min left
script-upload-unknown = The server does not know this upload any more. Upload the file again.
script-upload-refused = The file was refused.
script-upload-deleted = The video was deleted.
# A sentence of the server may follow, after a full stop.
script-upload-processing = Processing: { $percent } %
script-upload-failed = The video could not be processed.
script-upload-plays = It plays.
script-upload-plays-name = { $name } plays.
script-upload-saved = The details are saved.
# $problem is a sentence of the server.
script-upload-not-saved = The details are not saved: { $problem }
script-upload-not-answered = The details are not saved: the server does not answer. Change them again in a moment.
script-upload-pause = Pause
script-upload-go-on = Go on
script-upload-try-again = Try again
script-upload-remove = Remove
script-upload-cancel = Cancel
script-upload-new = Not begun.
script-upload-uploading = Uploading …
script-upload-paused = Paused at { $percent } %.
script-upload-joining = All of it is there. A video is made of it …
script-upload-processing-begins = Processing …
script-upload-signed-out = You are not logged in any more. Log in on another page, then try again here: what was sent is kept.
script-upload-goes-on = The connection broke off. It goes on by itself …
script-upload-broke-off = The connection broke off. Try again: what was sent is kept.
