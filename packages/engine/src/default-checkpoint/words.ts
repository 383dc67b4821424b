/**
 * Everyday words of English, of code and of tool calling, from which the default tokenizer learns its merges.
 *
 * A vocabulary must be learned from something, and no foreign text is shipped for it. Order does not matter.
 */
export const words: readonly string[] = `
a able about above accept access account across act action active actually add address after again against age agent
ago agree air all allow almost alone along already also although always am among amount an analysis and animal another
answer any anyone anything appear apply approach are area argue argument arm around array art article as ask assistant
at attempt attention author available average avoid away back bad bank base basic be beautiful because become been
before begin behind being believe below best better between beyond big bill bit black block blood blue board boat body
book both bottom box break bridge bring broad brother brown build building burn business but buy by cache call came can
cannot capital car card care carry case cat catch cause cell center central century certain certainly chair chance
change character check child children choice choose church city class clean clear clearly client close cloud code cold
collect color column come command comment common community company compare complete computer concern condition config
connect consider contain content context continue control copy cost could count country couple course court cover create
cross current cut daily dark data date day dead deal death debug decide decision decode deep default define degree delete
describe description design detail determine develop development device did difference different difficult dinner
direct direction directory discover discuss disease do document does dog dollar done door down draw dream drive drop
during each early earth east easy eat economy edge education effect effort eight either element else email empty encode
end energy engine enjoy enough enter entire entry environment equal error especially establish even evening event ever
every everyone everything evidence exactly example except execute exist expect experience explain export express eye face
fact factor fail fall false family far fast father fear feature feel feet few field figure file fill final finally
find fine finish fire first fish five fix floor flow fly folder follow food foot for force foreign forget form format
forward found four free friend from front full function further future game garden gas gateway general generate get girl
give given glass go goal gold gone good government great green ground group grow growth guess guide had hair half hand
handle happen happy harbour hard has hash have he head header health hear heart heat heavy height held hello help her here
high him his history hit hold home hope host hot hotel hour house how however huge human hundred husband idea identify if
image imagine impact import important improve in include increase indeed index indicate industry information input
inside instead instruction integer interest into invalid is island issue it item its itself job join just keep key kind
king kitchen know knowledge label land language large last late later laugh law lay layer lead learn least leave left legal
length less let letter level library lie life light like likely limit line list listen literal little live load local log
long look lose loss lost lot love low machine made main make man manage many map mark market match matter may maybe me mean
measure media medical meet member memory mention merge message method middle might mile military million mind minute miss
missing mode model modern module moment money month moon more morning most mother mountain move movement movie much music
must my name nation national natural nature near nearly necessary need network never new news next nice night nine no none
nor north not note nothing notice now null number object occur ocean of off offer office official often oil old on once one
online only open operation option or orange order other our out output outside over own owner package page pain paint
paper parameter parent parse part particular partner party pass past path pattern pay peace people per percent perform
perhaps period person phone phrase physical pick picture piece place plan plane plant play player please point policy poor
popular port position possible power practice prefix prepare present president press pressure pretty prevent price
print private probably problem process produce product program project prompt property protect prove provide public pull
purpose push put python quality query question queue quick quickly quiet quite race rain raise range rate rather reach read
ready real reality realize really reason receive recent recently record red reduce reference region relate relation
release remain remember remove repeat replace reply report repository represent request require research resource
respond response rest result return reveal rich right rise river road rock role room root rough round route row rule run
runtime safe same sample save say scene schedule schema school science score screen script sea search season seat second
section security see seek seem segment select self sell send sense sentence separate series serious serve server service
session set seven several shake shape share she ship shoot short should shoulder show side sign significant similar simple
simply since sing single sister sit site situation six size skill skin sky sleep slow small smile snow so social society
some someone something sometimes son song soon sort sound source south space speak special specific speech speed spend
split sport spring square stack staff stage stand standard star start state statement station status stay step still stop
store storm story strategy stream street string strong structure student study stuff style subject success such suddenly
suffer suggest summer sun supply support sure surface switch symbol system table take talk target task tax teach teacher
team tell temperature ten tend term test text than thank that the their them then theory there these they thing think third
this those though thought thousand threat three through throw thus time timeout title to today together token tomorrow
tonight too tool top total touch toward town trade traffic train travel tree trial trip trouble true trust truth try turn
two type uncle under understand undefined unique unit until up update upon upstream usage use user usually valid value
variable various vector version very via view village visit voice wait walk wall want war warm warning was watch water wave
way we weather web week weight well west what whatever when where whether which while white who whole whom whose why wide
wife will win wind window winter wish with within without woman wonder word work worker world worry would write writer
wrong yard year yellow yes yesterday yet you young your yourself zero const async await import export interface readonly
boolean extends implements private static void throws catch finally lambda yield print len range self elif def struct impl
match enum trait select insert where group limit join sudo grep echo mkdir chmod commit branch checkout docker kubernetes
`
  .trim()
  .split(/\s+/)
